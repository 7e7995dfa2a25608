"""Files by the official clients of the Hugging Face Hub and of Kaggle, with one clear error for whatever goes wrong.

What arrives is kept in the clients' caches (``HF_HOME``, ``KAGGLEHUB_CACHE``), where a transfer that was cut off goes
on when it is started again. Tokens are the clients' business: they are neither read nor written here. What a client
raises may quote addresses that are signed for its user, so no error is chained to it.
"""

import errno
import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from arena_preference.datasets.atomic_write import UNFINISHED

from .config import HubConfig

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_SHA256_DIGITS: Final = 64


class DownloadError(RuntimeError):
    """What could not be fetched, why, and what to do."""


def fetch_from_hub(options: HubConfig, file: str) -> Path:
    """Fetch a file of a dataset on the Hub.

    The client's own ``hf_hub_download`` begins anew after a transfer that was cut off, so its parts are used: the file
    grows under the name of its hash until it is whole.

    Args:
        options: Parameters ``download.hub``.
        file: Its name.

    Returns:
        Its path in the Hub's cache, its content checked against the hash that the Hub tells.

    Raises:
        DownloadError: If the Hub does not give it.
    """
    from huggingface_hub import cached_assets_path, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    where = f"{file} of {options.dataset} on the Hugging Face Hub"
    remedies = {
        HTTPStatus.UNAUTHORIZED: "log in with `hf auth login`, or see that download.hub.dataset is right",
        HTTPStatus.FORBIDDEN: f"accept the terms on huggingface.co/datasets/{options.dataset}, with the account of "
        "your token (`hf auth whoami`)",
        HTTPStatus.NOT_FOUND: "see that download.hub.dataset and download.hub.revision are right",
    }
    url = hf_hub_url(options.dataset, file, repo_type="dataset", revision=options.revision)
    with _explain(where, remedies, "HF_HOME"):
        try:
            metadata = get_hf_file_metadata(url)
        # Transport errors of every version of the client; those with a status were refused, not lost.
        except (OSError, HTTPError) as error:
            if _find_status(error) is None:
                raise _tell_unreachable(where, "HF_HUB_OFFLINE is not set") from None
            raise
        content = metadata.etag or ""
        if metadata.size is None or len(content) != _SHA256_DIGITS:
            raise DownloadError(f"{where} has neither size nor hash there. See that HF_ENDPOINT, if set, is a Hub.")
        folder = cached_assets_path("arena_preference", namespace=options.dataset, subfolder=content)
        path = folder / file
        if path.is_file():
            return path
        unfinished = folder / f"{file}{UNFINISHED}"
        with unfinished.open("ab") as target:
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
                    raise _tell_cut(where, error) from None
                raise
        if hash_file(unfinished) != content:
            unfinished.unlink()
            raise _tell_damaged(where)
        return unfinished.replace(path)


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
        HTTPStatus.UNAUTHORIZED: f"the token is not valid (any more): {how_to}",
        HTTPStatus.FORBIDDEN: f"accept the rules on kaggle.com/competitions/{competition}/rules, with the account of "
        "your token",
        HTTPStatus.NOT_FOUND: "see that download.competition is right",
    }
    with _explain(where, remedies, "KAGGLEHUB_CACHE"):
        try:
            get_kaggle_credentials()
            return Path(kagglehub.competition_download(competition, path=file))
        # A kaggle.json that is none; the client names it and quotes nothing.
        except (UnauthenticatedError, ValueError) as error:
            if isinstance(error, requests.RequestException):
                raise
            raise DownloadError(f"{where} needs a token ({error}): {how_to}, and start again.") from None
        except (DataCorruptionError, zipfile.BadZipFile):
            raise _tell_damaged(where) from None
        except requests.exceptions.ChunkedEncodingError as error:
            raise _tell_cut(where, error) from None
        except requests.RequestException as error:
            if _find_status(error) is None:
                raise _tell_unreachable(where, "a proxy is set if there is one") from None
            raise


def hash_file(path: Path) -> str:
    """Give the SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _explain(where: str, remedies: Mapping[HTTPStatus, str], cache: str) -> Iterator[None]:
    """Say of what every client can meet what to do: a server that refuses, and a cache that cannot be written."""
    try:
        yield
    except DownloadError:
        raise
    except Exception as error:
        status = _find_status(error)
        if status is not None:
            general = {HTTPStatus.TOO_MANY_REQUESTS: "too much was asked for: wait some minutes and start again"}
            remedy = {**general, **remedies}.get(status, "start again later")
            raise DownloadError(f"{where} is refused with HTTP status {status}: {remedy}.") from None
        if isinstance(error, OSError) and error.errno in _FULL:
            raise DownloadError(
                f"There is no room for {where} in the cache. Make room, or move the cache with {cache}=DIR, and start "
                "again."
            ) from None
        if isinstance(error, OSError) and error.filename:
            raise DownloadError(
                f"{where} cannot be put into the cache ({error.strerror}: {error.filename}). Make it writable, or move "
                f"the cache with {cache}=DIR, and start again."
            ) from None
        raise


def _find_status(error: Exception) -> HTTPStatus | None:
    """Give the status with which a server refused, if that is what the error tells."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return HTTPStatus(status) if status in set(HTTPStatus) and status >= HTTPStatus.BAD_REQUEST else None


def _tell_unreachable(where: str, other: str) -> DownloadError:
    return DownloadError(
        f"{where} cannot be reached. See that this machine has a network and {other}, and start again."
    )


def _tell_cut(where: str, error: Exception) -> DownloadError:
    return DownloadError(f"{where} was cut off ({type(error).__name__}). Start again: it goes on where it was.")


def _tell_damaged(where: str) -> DownloadError:
    return DownloadError(f"{where} did not arrive as it is there, and was thrown away. Start again.")
