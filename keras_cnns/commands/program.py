"""From an ``Options`` class to a program: flags, errors in one line, exit codes."""

import dataclasses
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf
from absl import app, flags, logging

from keras_cnns._errors import what_happened
from keras_cnns._quiet import start_log
from keras_cnns.runs import (
    LOSSES,
    NonFiniteLossError,
    TrainingInterrupted,
)
from keras_cnns.runs.options import field_help

if TYPE_CHECKING:
    from keras_cnns.runs.options import Options

_TRY_AGAIN = os.EX_TEMPFAIL  # 75

_DEFINE = {  # by type of the option
    str: flags.DEFINE_string,
    float: flags.DEFINE_float,
    int: flags.DEFINE_integer,
    bool: flags.DEFINE_boolean,
    tuple: flags.DEFINE_list,
}


def define_flags(
    options_class: "type[Options]", flag_values: flags.FlagValues = flags.FLAGS
) -> None:
    """Makes a flag of each option.

    Args:
        options_class: subclass of ``Options``.
        flag_values: gets the flags.
    """
    kinds = options_class.kinds()
    for field in dataclasses.fields(options_class):
        kind, default = kinds[field.name], field.default
        default = list(default) if kind is tuple and default else default
        _DEFINE[kind](field.name, default, field_help(field), flag_values=flag_values)
        # So that --help lists it, not only --helpfull.
        flag_values.register_key_flag_for_module(sys.argv[0], flag_values[field.name])


def start(
    text: str, options_class: "type[Options]", run: "Callable[[Options], object]"
) -> None:
    """Turns the command line into a call of ``run``.

    A bad run ends with one line on the terminal and exit code 1, an interrupted one
    with 130, and one that has lost another worker, or the process that trained, with
    75: it may be started again, with ``--resume``.

    Args:
        text: shown by ``--help``.
        options_class: subclass of ``Options``; each field is a flag.
        run: function of its options.
    """
    define_flags(options_class)
    kinds = options_class.kinds()

    def main(argv):
        if len(argv) > 1:
            raise app.UsageError(
                f"unexpected argument {argv[1]!r}; flags start with --"
            )
        given = {
            name: flags.FLAGS[name].value for name in kinds if flags.FLAGS[name].present
        }
        try:
            run(options_class.resolve(**given))
        except KeyboardInterrupt:
            _end("interrupted", 130)
        except TrainingInterrupted as stop:
            _end(str(stop), 130)
        except LOSSES as error:
            _end(f"error: {error}", _TRY_AGAIN)
        except tf.errors.OpError as error:
            _end(f"error: {what_happened(error.message)}", 1)
        except MemoryError as error:
            _end(f"error: out of memory: {error}", 1)
        except (ValueError, OSError, ImportError, NonFiniteLossError) as error:
            _end(f"error: {what_happened(str(error))}", 1)

    sys.modules["__main__"].__doc__ = text
    tf.get_logger().setLevel("ERROR")
    start_log(logging.INFO)
    sys.stdout.reconfigure(errors="backslashreplace")  # for names that are no UTF-8
    app.run(main)


def _end(message, code):
    logging.debug("where it happened", exc_info=True)
    print(message, file=sys.stderr)
    sys.exit(code)
