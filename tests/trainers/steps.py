"""Trains a tiny network for 20 steps and prints what happened as JSON.

Runs in its own process, because devices and clusters must be set up first:
``python steps.py '{"strategy": "mirrored", "devices": 2, ...}'``.
"""

import json
import sys

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip
from tensorflow import keras  # isort: skip


def main(
    data_dir, strategy="one_device", devices=1, sync=True, xla=False, policy="float32"
):
    if devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        configuration = [tf.config.LogicalDeviceConfiguration()] * devices
        tf.config.set_logical_device_configuration(cpu, configuration)
    from keras_cnns import applications, data, trainers
    from keras_cnns.trainers import distribution

    strategy = distribution.make_strategy(strategy)
    keras.utils.set_random_seed(7)
    keras.mixed_precision.set_global_policy(policy)
    preprocessing = data.Preprocessing(8, 8, 1, (77.0,), (95.0,))
    with strategy.scope():
        network = applications.DenseNet(
            (2, 2), 4, 8, stem="small", input_shape=(8, 8, 1), classes=10,
            classifier_activation=None,
        )  # fmt: skip
        if sync:
            network = distribution.synchronize_batch_norm(network)
        trainer = trainers.ClassificationTrainer(
            network,
            weight_decay=1e-3,
            gradient_clip_norm=1.0,
            ema_decay=0.9,
            enable_xla=xla,
        )
        trainer.compile(trainers.make_optimizer("sgd", 0.01))
    steps = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.reset_metrics()

        def on_train_batch_end(self, batch, logs=None):
            steps.append({name: float(value) for name, value in logs.items()})

    source = data.open_source("digits", "train", data_dir)
    stream = data.load_training(source, 32, preprocessing=preprocessing, seed=1)
    test = data.load(
        "digits", "test", 50, preprocessing=preprocessing, data_dir=data_dir
    )
    trainer.fit(stream, steps_per_epoch=20, callbacks=[Watch()], verbose=0)
    result = trainer.evaluate(test, verbose=0, return_dict=True)
    summary = {
        "replicas": strategy.num_replicas_in_sync,
        "steps": steps,
        "evaluation": result,
        "weights": [float(tf.norm(weight)) for weight in network.weights],
        "averages": [float(tf.norm(average)) for average in trainer.average.averages],
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
