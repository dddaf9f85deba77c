"""The composition root: settings → catalog → store → pool → service → page + API."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import gc
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import settings as options
from errors import AtelierError, CannotStart, disk_is_full
from settings import Add, Pull, Push, ServeFolder, Settings

if TYPE_CHECKING:
    import fastapi

    from api.authentication import Tokens
    from model_registry.catalog import Catalog
    from predictions.service import PredictionService


USUALLY_COLLECTED, COLLECTED_MEANWHILE = gc.get_threshold(), 50_000
"""After how many new objects garbage is looked for, and while the app starts."""

OWN = 0o700
"""The mode of a data folder that is made: what people wrote is not for all who have an account."""

PATIENCE = 3.0
"""Seconds for which a start waits until the models of folders are described."""


def main(arguments: Sequence[str]) -> int:
    try:
        if arguments[:1] == ["pull"]:
            return pull(options.parse_pull(arguments[1:]))
        if arguments[:1] == ["add"]:
            return add(options.parse_add(arguments[1:]))
        if arguments[:1] == ["push"]:
            return push(options.parse_push(arguments[1:]))
        if arguments[:1] == ["init"]:
            return init(options.parse_init(arguments[1:]))
        if arguments[:1] == ["serve"]:
            return serve_folder(options.parse_serve(arguments[1:]))
        settings = options.parse(arguments)
        read_tokens(settings.tokens)  # told before all that takes seconds
        listening = listen(settings.host, settings.port)
        with data_folder(settings.data):
            set_environment(settings)
            run(settings, listening)
    except AtelierError as error:
        print(f"atelier: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if not disk_is_full(error):
            raise
        print(
            f"atelier: the disk is full ({error}). Make room where the data folder is, or give "
            "another with --data.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def run(settings: Settings, listening: socket.socket) -> None:
    """Serves until a signal ends it."""
    # While it starts there is nothing to save. An exception would be swallowed by libraries that
    # are being imported, and held up by threads that read models.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What a start makes stays: looking through it for garbage again and again would only take time.
    gc.set_threshold(COLLECTED_MEANWHILE)
    # Describing models waits for child processes and importing Gradio for this one: they go on side
    # by side.
    beside = ThreadPoolExecutor(1)
    loading = beside.submit(load_catalog, settings, PATIENCE)
    from components.without_stubs import import_gradio

    import_gradio()
    import components.page  # noqa: F401

    catalog = loading.result()
    beside.shutdown()
    for told in (*settings.notes, *catalog.broken):
        print(f"atelier: {told}", file=sys.stderr)
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(settings, catalog, listening))
    else:
        uvloop.run(serve(settings, catalog, listening))


def pull(asked: Pull) -> int:
    """Downloads weights ahead of a model's first run, whether the app runs meanwhile or not."""
    from model_registry.downloads import Downloads
    from model_registry.pull import pull

    settings = asked.settings
    make_data_folder(settings.data)
    downloads = Downloads(settings.hub, settings.data, settings.offline)
    catalog = load_catalog(settings)
    return asyncio.run(pull(catalog, downloads, asked.names, asked.accept_licence))


def add(asked: Add) -> int:
    """Makes a model of a repository of the Hub, which an app on this data folder then has."""
    from model_registry.sizes import size

    settings = asked.settings
    make_data_folder(settings.data)
    catalog = load_catalog(settings)
    model = asyncio.run(catalog.add_from_hub(asked.reference, **asked.options))
    weights = model.latest.weights
    much = size(sum(each.size or 0 for each in weights))
    print(f"{model.id}: {model.description} At commit {weights[0].revision}.")
    print(
        f"`python app.py pull {model.id}` downloads its {much} now, its first run does so "
        "otherwise. "
        "An Atelier that runs already has it after its next start."
    )
    return 0


def push(asked: Push) -> int:
    """Makes a version of a folder, which an app on this data folder has within a second."""
    from model_registry.published import Published
    from model_registry.sources import names
    from predictions.publishing import push

    settings = asked.settings
    try:
        settings.data.mkdir(OWN, parents=True, exist_ok=True)
        taken = names(settings.models, settings.data)
        published = Published(settings.data, taken.__contains__)
        pushing = push(published, asked.source, asked.name, settings.allow_private_webhooks)
        model, is_new = asyncio.run(pushing)
    except OSError as error:
        raise CannotStart(f"{asked.source} cannot be pushed: {error}.") from None
    print(f"{model.id}:{model.latest.id}" + ("" if is_new else " was there already."))
    for warning in model.warnings:
        print(f"atelier: {warning}", file=sys.stderr)
    return 0


def init(folder: Path) -> int:
    """Writes the template of a model."""
    from model_registry import template

    for path in template.write(folder):
        print(f"Wrote {path}")
    print(f"`python app.py serve {folder}` serves it alone;")
    print(f"`python app.py --models {folder.parent}` has it as local/{folder.name} on the page.")
    return 0


def serve_folder(asked: ServeFolder) -> int:
    """Serves one model over the routes of Cog's own server, until a signal ends it."""
    from model_registry.catalog import Catalog
    from workers.environments import Environments

    settings = asked.settings
    listening = listen(settings.host, settings.port)
    with data_folder(settings.data):
        if settings.offline:
            os.environ["HF_HUB_OFFLINE"] = "1"
        environments = Environments(settings.data / "environments", settings.offline)
        catalog = Catalog.of_folder(asked.folder, settings.data, environments.python_for)
        for broken in catalog.broken:
            print(f"atelier: {broken}", file=sys.stderr)
        asyncio.run(serve_model(settings, catalog, f"local/{asked.folder.name}", listening))
    return 0


async def serve_model(
    settings: Settings, catalog: Catalog, model: str, listening: socket.socket
) -> None:
    from api import cog_server
    from api.cog_rendering import CogRendering

    service = build_service(settings, catalog)
    rendering = CogRendering(service.files)
    assert service.webhooks is not None
    service.webhooks.render = rendering.webhook_body
    await service.start()
    app = cog_server.build(service, model, rendering, lambda: signal.raise_signal(signal.SIGTERM))
    if not catalog.broken:
        for warning in catalog.find(model).warnings:
            print(f"atelier: {warning}", file=sys.stderr)
    await until_ended(app, service, listening, f"{model} is served at")


def load_catalog(settings: Settings, patience: float | None = None) -> Catalog:
    from model_registry.catalog import Catalog
    from model_registry.hub_models import HubModels
    from workers.environments import Environments

    environments = Environments(settings.data / "environments", settings.offline)
    catalog = Catalog.load(
        settings.models, settings.data, python_for=environments.python_for, patience=patience
    )
    catalog.hub = HubModels(settings.data, settings.hub, settings.offline, catalog.__contains__)
    return catalog


async def serve(settings: Settings, catalog: Catalog, listening: socket.socket) -> None:
    service = build_service(settings, catalog)
    await service.start()
    app = build_app(settings, service)
    gc.freeze()
    gc.set_threshold(*USUALLY_COLLECTED)
    await until_ended(app, service, listening, "Atelier runs at", settings)


async def until_ended(
    app: object,
    service: PredictionService,
    listening: socket.socket,
    greeting: str,
    settings: Settings | None = None,
) -> None:
    """Serves `app` until a signal comes, then stops the service."""
    import uvicorn

    from api.connections import Connection, allow_many

    allow_many()
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=Connection,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # the API reads them, of the proxies that are trusted
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    announcing = asyncio.create_task(announce(server, greeting, listening, settings))

    def end(signum: int, frame: object) -> None:
        server.should_exit = True  # a second one changes nothing: this takes seconds at most

    server.handle_exit = end  # type: ignore[assignment, method-assign]
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) != signal.SIG_IGN:  # as under nohup
            signal.signal(each, end)
    try:
        await server.serve(sockets=[listening])
    finally:
        announcing.cancel()
        await service.stop()


def build_service(settings: Settings, catalog: Catalog) -> PredictionService:
    """The core, wired: all that a face needs."""
    from api.rendering import webhook_body
    from model_registry.downloads import Downloads
    from predictions.files import Files, Signer
    from predictions.service import PredictionService
    from predictions.store import Store
    from predictions.webhooks import Webhooks, WebhookSecret
    from workers.devices import find_devices
    from workers.environments import Environments
    from workers.pool import WorkerPool

    data = settings.data
    store = Store(data / "atelier.db")
    files = Files(data / "files", store, settings.max_file_size)
    devices = find_devices(settings.pool.cpu_instances, settings.pool.cpu_memory)
    environments = Environments(data / "environments", settings.offline)
    if not catalog.describes:  # what they need is not known yet
        versions = [version for model in catalog.models() for version in model.versions]
        environments.remove_unused(version.code.packages for version in versions)
    pool = WorkerPool(settings.pool, devices, data / "work", catalog.why_gone, environments)
    signer = Signer(data / "secret.key")
    secret = WebhookSecret(data / "webhook_secret")
    body = webhook_body(catalog, signer, settings.public_url)
    webhooks = Webhooks(store, secret, body, settings.allow_private_webhooks)
    return PredictionService(
        catalog,
        store,
        files,
        pool,
        signer,
        settings.offline,
        webhooks,
        settings.allow_private_webhooks,
        Downloads(settings.hub, data, settings.offline),
        settings.retention,
    )


def build_app(settings: Settings, service: PredictionService) -> fastapi.FastAPI:
    """Both faces on one application: the API's routes first, the page for everything else."""
    from fastapi.staticfiles import StaticFiles

    import api.app
    import components.cover
    import components.page
    from api.compressed_page import CompressedPage
    from api.sessions import Sessions
    from components.operator import Operator
    from predictions.callers import Visitors

    app = api.app.build(
        service,
        tokens=read_tokens(settings.tokens),
        public_url=settings.public_url,
        trusted_proxies=settings.trusted_proxies,
        everybody_operates=settings.everybody_operates,
    )
    # Where callers have names, what one visitor runs is not for the others either.
    visitors = Visitors(private=settings.tokens is not None)
    operator = Operator(settings.everybody_operates)
    app.mount(components.cover.ADDRESS, StaticFiles(directory=components.cover.PICTURES))
    components.page.mount(app, service, [str(service.files.root)], visitors, operator)
    app.add_middleware(CompressedPage)
    app.add_middleware(Sessions)
    return app


async def announce(
    server: object, greeting: str, listening: socket.socket, settings: Settings | None
) -> None:
    while not getattr(server, "started", False):
        await asyncio.sleep(0.01)
    host, port = listening.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    public = settings.public_url if settings else None
    print(f"{greeting} {public or f'http://{shown}:{port}'}", flush=True)
    if settings and settings.share:
        print(await asyncio.to_thread(share, shown, port), flush=True)


def share(host: str, port: int) -> str:
    """Opens Gradio's tunnel; the line to print, whether it worked or not."""
    from gradio import networking

    try:
        return "Shared at " + networking.setup_tunnel(
            host, port, secrets.token_urlsafe(32), None, None
        )
    except Exception as error:
        return f"atelier: no public link could be made ({error}); the app runs on without one."


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before anything slow is done. Raises `CannotStart`."""
    with contextlib.ExitStack() as closing:
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            # The protocol is named, or asyncio would leave small answers to wait for each other.
            listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            closing.enter_context(listening)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(2048)
        except OSError as error:
            reason = f"cannot listen on {host}:{port} ({error.strerror or error})."
            raise CannotStart(f"{reason} {_instead(error)}") from None
        closing.pop_all()
    return listening


def _instead(error: OSError) -> str:
    """What to do about an address that cannot be had."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "Give a --host that this machine has: 127.0.0.1 for itself, 0.0.0.0 for everybody."
    if error.errno == errno.EACCES:
        return "Give a --port from 1024 on: those below are the system's."
    return "Stop what runs there or give another --port."


def make_data_folder(data: Path) -> None:
    """Raises `CannotStart`."""
    try:
        data.mkdir(OWN, parents=True, exist_ok=True)
        open(data / "lock", "a").close()
    except OSError as error:
        raise CannotStart(
            f"the data folder {data} cannot be written ({error.strerror or error}). "
            "Give another with --data."
        ) from None


@contextlib.contextmanager
def data_folder(data: Path) -> Iterator[None]:
    """Makes the data folder and holds it for this process alone, without what a kill has left half
    written there. Raises `CannotStart`.
    """
    from model_registry import half_written

    make_data_folder(data)
    lock = open(data / "lock", "w")  # noqa: SIM115 (held until the process ends)
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(
                f"the data folder {data} is in use by another Atelier. "
                "Stop that one or give another --data."
            ) from None
        home = Path(os.environ.get("HF_HOME", data / "huggingface"))
        half_written.sweep(half_written.places(data, home))
        yield


def set_environment(settings: Settings) -> None:
    """What the libraries in this process and its children are to know before they are imported."""
    from cog.addresses import PUBLIC_ONLY

    # Downloaded weights live with the data unless the person has a place for them already.
    os.environ.setdefault("HF_HOME", str(settings.data / "huggingface"))
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # What the page was given to show. Gradio, when it is killed, forgets that it has these.
    given = settings.data / "page"
    shutil.rmtree(given, ignore_errors=True)
    os.environ.setdefault("GRADIO_TEMP_DIR", str(given))
    if settings.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    if not settings.allow_private_webhooks:
        os.environ[PUBLIC_ONLY] = "1"


def read_tokens(path: Path | None) -> Tokens | None:
    """Who may use the API; None lets everybody in. Raises `CannotStart`."""
    from api.authentication import Tokens

    if path is None:
        return None
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CannotStart(f"the tokens file {path} cannot be read ({reason}).") from None
    return Tokens.read(lines, f"the tokens file {path}")


def open_standard_streams() -> None:
    """Stands in for those that who has started us has closed: what is opened first would get their
    numbers, and with them whatever a library prints.
    """
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(null)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


if __name__ == "__main__":
    open_standard_streams()
    sys.exit(main(sys.argv[1:]))
