"""Files by the official clients of the Hugging Face Hub and of Kaggle, with one clear error for whatever goes wrong.

Both clients keep what they fetch in the user's cache. Where a transfer was cut off, the Hub's goes on by itself, and
Kaggle's when it is called again.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from .options import HubOptions

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_INSTALL: Final = 'pip install -e ".[download]"'


class DownloadError(RuntimeError):
    """What could not be fetched, why, and what to do."""


def fetch_from_hub(options: HubOptions, file: str) -> Path:
    """Fetch a file of a dataset on the Hub.

    Args:
        options: Parameters ``download.hub``.
        file: Its name.

    Returns:
        Its path in the Hub's cache.

    Raises:
        DownloadError: If the Hub does not give it.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    where = f"{file} of {options.dataset} on the Hugging Face Hub"
    with _explain_full_disk(where):
        try:
            return Path(hf_hub_download(options.dataset, file, repo_type="dataset", revision=options.revision))
        except (HfHubHTTPError, LocalEntryNotFoundError) as error:
            # The client takes some refusals for a network that is not there, and keeps them as the cause.
            refusal = error if isinstance(error, HfHubHTTPError) else error.__cause__
            if not isinstance(refusal, HfHubHTTPError):
                raise DownloadError(_say_unreachable(where, "HF_HUB_OFFLINE is not set")) from error
            page = f"huggingface.co/datasets/{options.dataset}"
            remedies = {
                HTTPStatus.UNAUTHORIZED: "log in with `hf auth login`, or see that the name of the dataset is right",
                HTTPStatus.FORBIDDEN: f"accept its terms on {page}, with the account of your token (`hf auth whoami`)",
                HTTPStatus.NOT_FOUND: "see that download.hub.dataset and download.hub.revision are right",
            }
            raise DownloadError(_say_refused(where, refusal.response.status_code, remedies)) from error
        except Exception as error:
            # What the transport raises depends on the client's version.
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            raise DownloadError(_say_cut(where, error)) from error


def fetch_from_kaggle(competition: str, file: str) -> Path:
    """Fetch a file of a competition on Kaggle.

    Args:
        competition: Its name in the address.
        file: The file's name.

    Returns:
        Its path in the cache of Kaggle's client.

    Raises:
        DownloadError: If the client is not installed, there is no token, or Kaggle does not give the file.
    """
    try:
        import kagglehub
        import kagglehub.exceptions
        import requests
    except ModuleNotFoundError as error:
        raise DownloadError(f"Kaggle's client is not installed: {_INSTALL}") from error

    where = f"{file} of the competition {competition} on Kaggle"
    page = f"kaggle.com/competitions/{competition}"
    with _explain_full_disk(where):
        try:
            return Path(kagglehub.competition_download(competition, path=file))
        except kagglehub.exceptions.UnauthenticatedError as error:
            raise DownloadError(
                f"There is no token to fetch {where} with. Make one on kaggle.com/settings and put it into "
                "KAGGLE_API_TOKEN or ~/.kaggle/access_token."
            ) from error
        except kagglehub.exceptions.DataCorruptionError as error:
            raise DownloadError(
                f"{where} did not arrive as Kaggle has it, and was thrown away. Start again."
            ) from error
        except requests.HTTPError as error:
            remedies = {
                HTTPStatus.UNAUTHORIZED: "make a new token on kaggle.com/settings",
                HTTPStatus.FORBIDDEN: f"accept the rules on {page}/rules, with the account of your token",
                HTTPStatus.NOT_FOUND: "see that download.competition is right",
            }
            status = error.response.status_code if error.response is not None else 0
            raise DownloadError(_say_refused(where, status, remedies)) from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise DownloadError(_say_cut(where, error)) from error
        except requests.RequestException as error:
            raise DownloadError(_say_unreachable(where, "a proxy is set if there is one")) from error


@contextmanager
def _explain_full_disk(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DownloadError(
            f"There is no room for {where} in the cache ({error.filename or 'see HF_HOME or KAGGLEHUB_CACHE'}). Make "
            "room, or move the cache with HF_HOME or KAGGLEHUB_CACHE, and start again: what has arrived stays."
        ) from error


def _say_refused(where: str, status: int, remedies: dict[HTTPStatus, str]) -> str:
    known = {
        HTTPStatus.TOO_MANY_REQUESTS: "wait some minutes and start again",
        **remedies,
    }
    remedy = known.get(HTTPStatus(status) if status in list(HTTPStatus) else HTTPStatus.OK, "start again later")
    return f"{where} is refused with HTTP status {status}: {remedy}."


def _say_unreachable(where: str, other: str) -> str:
    return f"{where} cannot be reached. See that this machine has a network and {other}, and start again."


def _say_cut(where: str, error: Exception) -> str:
    return f"{where} was cut off ({type(error).__name__}: {error}). Start again: what can be kept of it is kept."
