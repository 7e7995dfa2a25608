"""HTTP service and page of a judge; needs the extra [serve]."""

try:
    from .app import create_app
    from .server import serve
    from .settings import ServiceSettings
except ModuleNotFoundError as reason:
    if reason.name not in ("fastapi", "starlette", "prometheus_client", "uvicorn"):
        raise
    raise ModuleNotFoundError(
        f"The service needs {reason.name}. Install the extra [serve]: pip install 'arena-preference[serve]'.",
        name=reason.name,
    ) from reason

__all__ = ["ServiceSettings", "create_app", "serve"]
