"""What every command line does with errors: those that the user can mend become a message and an exit code, never a traceback."""

import sys
from collections.abc import Callable
from functools import wraps

from kishi.errors import KishiError
from kishi.full_disk import is_full_disk


def command[**P](main: Callable[P, int | None]) -> Callable[P, int]:
    """`main` with an exit code for each end: its own (0 for None), a KishiError's, 130 for Ctrl-C, 1 for a full disk."""

    @wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return main(*args, **kwargs) or 0
        except KishiError as error:
            print(error.message(), file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            print("\nstopped; the same command goes on from here", file=sys.stderr)
            return 130
        except Exception as error:
            if not is_full_disk(error):
                raise
            print(
                f"the disk is full: {error}\n  -> free some space and run the same command again; finished stages are kept", file=sys.stderr
            )
            return 1

    return guarded
