"""Shows finished runs on a page in the browser; starts in half a minute.

python apps/studio.py --runs=runs
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("studio")
