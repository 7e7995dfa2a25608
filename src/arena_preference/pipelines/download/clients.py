"""Files fetched with the official clients of the Hugging Face Hub and of Kaggle, with clear errors.

Files are kept in the clients' caches (``HF_HOME``, ``KAGGLEHUB_CACHE``), where an interrupted transfer resumes. Tokens
are left to the clients: they are neither read nor written here. A client's exception may quote URLs that are signed for
its user, so no error is chained to it.
"""

import errno
import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from arena_preference.datasets.atomic_write import TEMPORARY

from .config import HubConfig

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_SHA256_DIGITS: Final = 64


class DownloadError(RuntimeError):
    """A file that could not be fetched; the message says why and what to do."""


def fetch_from_hub(config: HubConfig, file: str) -> Path:
    """Path of a file of a dataset on the Hub, fetched into the cache.

    ``hf_hub_download`` restarts an interrupted transfer from the beginning, so its lower-level functions are used: the
    file grows under the name of its hash until it is complete.

    Args:
        config: Parameters ``download.hub``.
        file: Its name.

    Returns:
        Its path in the Hub's cache; the content is checked against the hash that the Hub reports.

    Raises:
        DownloadError: If the Hub cannot be reached, rejects the request, or the transfer fails.
    """
    from huggingface_hub import cached_assets_path, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    where = f"{file} of {config.dataset} on the Hugging Face Hub"
    remedies = {
        HTTPStatus.UNAUTHORIZED: "log in with `hf auth login`, or check that download.hub.dataset is right",
        HTTPStatus.FORBIDDEN: f"accept the terms on huggingface.co/datasets/{config.dataset}, with the account of "
        "your token (`hf auth whoami`)",
        HTTPStatus.NOT_FOUND: "check that download.hub.dataset and download.hub.revision are right",
    }
    url = hf_hub_url(config.dataset, file, repo_type="dataset", revision=config.revision)
    with _explain(where, remedies, "HF_HOME"):
        try:
            metadata = get_hf_file_metadata(url)
        # Transport errors of every version of the client; those with a status were rejected by the server.
        except (OSError, HTTPError) as error:
            if _find_status(error) is None:
                raise _unreachable(where, "HF_HUB_OFFLINE is not set") from None
            raise
        content = metadata.etag or ""
        if metadata.size is None or len(content) != _SHA256_DIGITS:
            raise DownloadError(f"{where} has neither size nor hash there. Check that HF_ENDPOINT, if set, is a Hub.")
        folder = cached_assets_path("arena_preference", namespace=config.dataset, subfolder=content)
        path = folder / file
        if path.is_file():
            return path
        partial = folder / f"{file}{TEMPORARY}"
        with partial.open("ab") as target:
            try:
                http_get(
                    url,
                    target,
                    resume_size=target.tell(),
                    headers=build_hf_headers(),
                    expected_size=metadata.size,
                    displayed_filename=file,
                )
            except (OSError, HTTPError) as error:
                if _find_status(error) is None and getattr(error, "errno", None) is None:
                    raise _interrupted(where, error) from None
                raise
        if hash_file(partial) != content:
            partial.unlink()
            raise _corrupted(where)
        return partial.replace(path)


def fetch_from_kaggle(competition: str, file: str) -> Path:
    """Path of a file of a competition on Kaggle, fetched into the cache.

    Args:
        competition: Its name in the address.
        file: The file's name.

    Returns:
        Its path in the cache of Kaggle's client.

    Raises:
        DownloadError: If the client is not installed, there is no token, or Kaggle rejects the request.
    """
    try:
        import kagglehub
        import requests
        from kagglehub.config import get_kaggle_credentials
        from kagglehub.exceptions import DataCorruptionError, UnauthenticatedError
    except ModuleNotFoundError as error:
        raise DownloadError(
            f'Kaggle\'s client is not installed ({error.name}). Install the extra: pip install -e ".[download]"'
        ) from None

    where = f"{file} of the competition {competition} on Kaggle"
    how_to = "make a token on kaggle.com/settings and put it into KAGGLE_API_TOKEN or ~/.kaggle/access_token"
    remedies = {
        HTTPStatus.UNAUTHORIZED: f"the token is not valid or has expired: {how_to}",
        HTTPStatus.FORBIDDEN: f"accept the rules on kaggle.com/competitions/{competition}/rules, with the account of "
        "your token",
        HTTPStatus.NOT_FOUND: "check that download.competition is right",
    }
    with _explain(where, remedies, "KAGGLEHUB_CACHE"):
        try:
            get_kaggle_credentials()
            return Path(kagglehub.competition_download(competition, path=file))
        # An invalid kaggle.json: the client's message names the file and quotes nothing from it.
        except (UnauthenticatedError, ValueError) as error:
            if isinstance(error, requests.RequestException):
                raise
            raise DownloadError(f"{where} needs a token ({error}): {how_to}, and start again.") from None
        except (DataCorruptionError, zipfile.BadZipFile):
            raise _corrupted(where) from None
        except requests.exceptions.ChunkedEncodingError as error:
            raise _interrupted(where, error) from None
        except requests.RequestException as error:
            if _find_status(error) is None:
                raise _unreachable(where, "a proxy is set if there is one") from None
            raise


def hash_file(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _explain(where: str, remedies: Mapping[HTTPStatus, str], cache: str) -> Iterator[None]:
    """Turn errors of servers and caches into a ``DownloadError`` that says what to do."""
    try:
        yield
    except DownloadError:
        raise
    except Exception as error:
        status = _find_status(error)
        if status is not None:
            general = {HTTPStatus.TOO_MANY_REQUESTS: "too many requests: wait some minutes and start again"}
            remedy = {**general, **remedies}.get(status, "start again later")
            raise DownloadError(f"{where} was rejected with HTTP status {status}: {remedy}.") from None
        if isinstance(error, OSError) and error.errno in _FULL:
            raise DownloadError(
                f"The disk is full: {where} does not fit into the cache. Free some space, or move the cache with "
                f"{cache}=DIR, and start again."
            ) from None
        if isinstance(error, OSError) and error.filename:
            raise DownloadError(
                f"{where} cannot be written to the cache ({error.strerror}: {error.filename}). Make it writable, or "
                f"move the cache with {cache}=DIR, and start again."
            ) from None
        raise


def _find_status(error: Exception) -> HTTPStatus | None:
    """HTTP status with which a server rejected a request, if the error has one."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return HTTPStatus(status) if status in set(HTTPStatus) and status >= HTTPStatus.BAD_REQUEST else None


def _unreachable(where: str, other: str) -> DownloadError:
    return DownloadError(
        f"{where} cannot be reached. Check that this machine has a network and {other}, and start again."
    )


def _interrupted(where: str, error: Exception) -> DownloadError:
    return DownloadError(f"{where} was interrupted ({type(error).__name__}). Start again: it resumes where it stopped.")


def _corrupted(where: str) -> DownloadError:
    return DownloadError(f"{where} arrived corrupted and was removed. Start again.")
