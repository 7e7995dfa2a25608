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
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Final

from arena_preference.datasets.atomic_write import TEMPORARY

from .config import FurtherDataset, HubDataset

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_SHA256_DIGITS: Final = 64


class DownloadError(RuntimeError):
    """A file that could not be fetched; the message says why and what to do."""


def list_on_hub(entry: FurtherDataset) -> tuple[HubDataset, list[str]]:
    """The commit of a dataset on the Hub, and its files that match the pattern, in the order of their names.

    Raises:
        DownloadError: If the Hub cannot be reached or rejects the request, or no file matches.
    """
    from huggingface_hub import HfApi

    where = f"The list of files of {entry.dataset} on the Hugging Face Hub"
    with _explain(where, _list_hub_remedies(entry.dataset), "HF_HOME"), _reach_hub(where):
        try:
            info = HfApi().dataset_info(entry.dataset, revision=entry.revision)
            pinned = HubDataset.model_validate({"dataset": entry.dataset, "revision": info.sha})
            names = sorted(file.rfilename for file in info.siblings or [])
        # The answer of a server that is no Hub, or an impossible name.
        except (KeyError, TypeError, ValueError) as error:
            raise DownloadError(
                f"{where} cannot be read ({type(error).__name__}). Check its name in download.datasets, and that "
                "HF_ENDPOINT, if set, is a Hub."
            ) from None
    if not (files := [name for name in names if fnmatchcase(name, entry.files)]):
        raise DownloadError(
            f"{entry.dataset} has no file {entry.files} at revision {pinned.revision}. It has: "
            f"{', '.join(names)[:300]}. Correct files in download.datasets."
        )
    return pinned, files


def fetch_from_hub(config: HubDataset, file: str) -> Path:
    """Path of a file of a dataset on the Hub, fetched into the cache.

    ``hf_hub_download`` restarts an interrupted transfer from the beginning, so its lower-level functions are used: the
    file grows under the name of its hash until it is complete.

    Args:
        config: The dataset.
        file: The file's name.

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
    name = PurePosixPath(file).name
    url = hf_hub_url(config.dataset, file, repo_type="dataset", revision=config.revision)
    with _explain(where, _list_hub_remedies(config.dataset), "HF_HOME"):
        with _reach_hub(where):
            metadata = get_hf_file_metadata(url)
        content = metadata.etag or ""
        if metadata.size is None or len(content) != _SHA256_DIGITS:
            raise DownloadError(f"{where} has neither size nor hash there. Check that HF_ENDPOINT, if set, is a Hub.")
        folder = cached_assets_path("arena_preference", namespace=config.dataset, subfolder=content)
        path = folder / name
        if path.is_file():
            return path
        partial = folder / f"{name}{TEMPORARY}"
        with partial.open("ab") as target:
            try:
                http_get(
                    url,
                    target,
                    resume_size=target.tell(),
                    headers=build_hf_headers(),
                    expected_size=metadata.size,
                    displayed_filename=name,
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


@contextmanager
def _reach_hub(where: str) -> Iterator[None]:
    """Turn an error of the way to the Hub into a ``DownloadError``; those with a status were rejected by the server."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        yield
    # Transport errors of every version of the client.
    except (OSError, HTTPError) as error:
        if _find_status(error) is None:
            raise _unreachable(where, "HF_HUB_OFFLINE is not set") from None
        raise


def _list_hub_remedies(dataset: str) -> dict[HTTPStatus, str]:
    terms = f"accept the terms on huggingface.co/datasets/{dataset}"
    where = "download.hub or download.datasets"
    return {
        HTTPStatus.UNAUTHORIZED: f"log in with `hf auth login`, or put a token into HF_TOKEN; {terms}, if it has any, "
        f"with the same account; and check its name in {where}",
        HTTPStatus.FORBIDDEN: f"{terms}, with the account of your token (`hf auth whoami`)",
        HTTPStatus.NOT_FOUND: f"check its name and revision in {where}",
    }


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
