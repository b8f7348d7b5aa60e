"""For type checkers: what ``__init__.py`` loads on first use."""

from keras_cnns import (
    _progress,
)
from keras_cnns import (
    applications as applications,
)
from keras_cnns import (
    commands as commands,
)
from keras_cnns import (
    compression as compression,
)
from keras_cnns import (
    data as data,
)
from keras_cnns import (
    exemplar as exemplar,
)
from keras_cnns import (
    export as export,
)
from keras_cnns import (
    figures as figures,
)
from keras_cnns import (
    inference as inference,
)
from keras_cnns import (
    inspection as inspection,
)
from keras_cnns import (
    layers as layers,
)
from keras_cnns import (
    losses as losses,
)
from keras_cnns import (
    metrics as metrics,
)
from keras_cnns import (
    runs as runs,
)
from keras_cnns import (
    serving as serving,
)
from keras_cnns import (
    studio as studio,
)
from keras_cnns import (
    tasks as tasks,
)
from keras_cnns import (
    trainers as trainers,
)
from keras_cnns.tasks import open_run as open_run

__version__: str
show_progress = _progress.shown
