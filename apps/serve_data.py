"""Makes batches for trainings on other machines; starts in seconds.

python apps/serve_data.py --port=5050
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("serve-data")
