"""Every setting of the app, and the only reader of the environment.

Each command-line option is also an `ATELIER_*` variable; the option wins. The README lists them
all, and a test holds it to that.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import command_line
from command_line import CommandLine
from errors import CannotStart

PORT = 7860
MOST_SPARES = 64

# Dollars per hour, by hardware. A card that is not named here costs GPU_RATE.
HARDWARE_RATES: Mapping[str, float] = {
    "cpu": 0.10,
    "Tesla T4": 0.55,
    "NVIDIA A40": 1.50,
    "NVIDIA A100-SXM4-40GB": 2.30,
    "NVIDIA A100-SXM4-80GB": 3.50,
}
GPU_RATE = 2.00


@dataclass(frozen=True)
class PoolSettings:
    """Times in seconds, memory in bytes."""

    cancel_grace: float = 5.0
    setup_timeout: float = 900.0
    run_timeout: float = 1800.0
    train_timeout: float = 86400.0
    idle_timeout: float = 600.0
    spares: int = 1
    cpu_instances: int = 8
    cpu_memory: int | None = None
    """What all instances on the CPU may hold together; None: 80 % of the machine's memory."""


@dataclass(frozen=True)
class HubSettings:
    """Where weights come from and where they lie: what huggingface_hub's own variables say, so that
    what a person has downloaded or set up already is used.
    """

    cache: Path | None = None
    """None: in the data folder."""
    endpoint: str = "https://huggingface.co"
    given_token: str | None = field(default=None, repr=False)
    token_files: tuple[Path, ...] = ()
    """Where `hf auth login` leaves a token."""
    pause: float = 1.0
    """Seconds before what failed is tried a second time; longer each time after it."""
    reserve: int = 1_000_000_000
    """Bytes of the disk that a download leaves free."""

    def token(self) -> str | None:
        """Who asks; None for anybody."""
        if self.given_token:
            return self.given_token
        for path in self.token_files:
            with contextlib.suppress(OSError):
                if token := path.read_text().strip():
                    return token
        return None


@dataclass(frozen=True)
class Settings:
    host: str = "127.0.0.1"
    port: int = PORT
    data: Path = Path("data")
    models: tuple[Path, ...] = ()
    share: bool = False
    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    tokens: Path | None = None
    offline: bool = False
    allow_private_webhooks: bool = False
    retention: float | None = None
    """Seconds that ended predictions keep their data; None: for ever."""
    max_file_size: int = 100_000_000
    pool: PoolSettings = field(default_factory=PoolSettings)
    hub: HubSettings = field(default_factory=HubSettings)
    space: bool = False
    """Whether this is a Space of the Hub, where anybody may look in."""
    zero_gpu: bool = False
    """Whether that Space's hardware is ZeroGPU."""

    @property
    def everybody_operates(self) -> bool:
        """Whether who reaches the app without a token may add models to it, and with them code."""
        return self.tokens is None and not self.share and not self.space

    @property
    def notes(self) -> list[str]:
        """What whoever starts the app may not expect of these settings."""
        notes = []
        if self.public_url and urlsplit(self.public_url).path:
            notes.append(
                f"below a path, as {self.public_url} has one, only the API can be reached; the "
                "page needs a host name of its own."
            )
        if self.zero_gpu:
            notes.append(
                "ZeroGPU lends GPUs to functions of the app's own process only, and models run in "
                "processes of theirs, so they get the CPU. Choose other hardware for this Space."
            )
        return notes


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings from a command line and the environment. Raises `CannotStart` on a value that
    makes no sense.
    """
    space = "SPACE_ID" in environment
    hub_is_offline = environment.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")

    def default(name: str, otherwise: str | None = None) -> str | None:
        return environment.get(command_line.VARIABLES + name) or otherwise

    def switch(name: str) -> bool:
        return command_line.truth(command_line.VARIABLES + name, default(name) or "")

    parser = CommandLine(
        prog="app.py",
        description="Run AI models on your own machine, in the browser and over an API.",
        epilog="`app.py pull owner/name` downloads a model's weights ahead of its first run; "
        "`app.py add hf:owner/repo` adds a model of the Hub; `app.py push DIR owner/name` one of a "
        "folder; `app.py init DIR` writes a model to begin with; `app.py serve DIR` serves one "
        "alone, over the routes of Cog's own server.",
    )
    option = parser.add_argument
    option(
        "--host",
        default=default("HOST", "0.0.0.0" if space else "127.0.0.1"),
        help="address to listen on",
    )
    option("--port", default=default("PORT", str(PORT)), help="port to listen on (default 7860)")
    option(
        "--data",
        default=default("DATA", "data"),
        help="folder for the database, files and downloaded weights",
    )
    option(
        "--models",
        action="append",
        metavar="DIR",
        help="folder of Cog model folders; repeatable (in ATELIER_MODELS: separated as in PATH)",
    )
    option(
        "--share",
        action="store_true",
        default=switch("SHARE"),
        help="make a public Gradio link",
    )
    option(
        "--public-url",
        default=default("PUBLIC_URL"),
        help="address under which others reach this app",
    )
    option(
        "--trusted-proxies",
        default=default("TRUSTED_PROXIES", "*" if space else None),
        metavar="ADDRESSES",
        help="proxies whose X-Forwarded headers count, with commas between them; * for all",
    )
    option(
        "--tokens",
        default=default("TOKENS"),
        metavar="FILE",
        help="file of API tokens, one a line: NAME TOKEN",
    )
    option(
        "--offline",
        action="store_true",
        default=switch("OFFLINE") or hub_is_offline,
        help="never ask the network",
    )
    option(
        "--allow-private-webhooks",
        action="store_true",
        default=switch("ALLOW_PRIVATE_WEBHOOKS"),
        help="let webhooks and file inputs name addresses of this machine and its network",
    )
    option(
        "--retention",
        default=default("RETENTION"),
        metavar="HOURS",
        help="hours after which inputs, outputs and logs are removed (never)",
    )
    pool = PoolSettings()
    for name, seconds, meaning in (
        ("idle", pool.idle_timeout, "until a model that nobody uses gives its memory back"),
        ("setup", pool.setup_timeout, "a model may take to load"),
        ("run", pool.run_timeout, "a prediction may run"),
        ("train", pool.train_timeout, "a training may run"),
    ):
        otherwise = default(f"{name.upper()}_TIMEOUT", f"{seconds:g}")
        meaning = f"seconds {meaning} ({seconds:g})"
        option(f"--{name}-timeout", default=otherwise, metavar="SECONDS", help=meaning)
    memory = "GB that models on the CPU may hold together (80 percent of the machine's)"
    option("--cpu-memory", default=default("CPU_MEMORY"), metavar="GB", help=memory)
    spares = f"processes that load libraries ahead, for a quick first run ({pool.spares})"
    option("--spares", default=default("SPARES", str(pool.spares)), metavar="COUNT", help=spares)
    given = parser.read(arguments)
    command_line.check_names(environment, parser.variables())
    if given.share and given.offline:
        reason = "--share makes a link through the network, which --offline forbids: leave one out."
        raise CannotStart(reason)
    models = given.models or (default("MODELS") or "").split(os.pathsep)
    data = Path(given.data).expanduser().resolve()
    return Settings(
        host=given.host,
        port=command_line.port(given.port),
        data=data,
        models=tuple(Path(each).expanduser().resolve() for each in models if each),
        share=given.share,
        public_url=command_line.root_address("--public-url", given.public_url)
        if given.public_url
        else None,
        trusted_proxies=command_line.networks(given.trusted_proxies or ""),
        tokens=Path(given.tokens).expanduser().resolve() if given.tokens else None,
        offline=given.offline,
        allow_private_webhooks=given.allow_private_webhooks,
        retention=command_line.number("--retention", given.retention) * 3600
        if given.retention
        else None,
        pool=PoolSettings(
            idle_timeout=command_line.number("--idle-timeout", given.idle_timeout),
            setup_timeout=command_line.number("--setup-timeout", given.setup_timeout),
            run_timeout=command_line.number("--run-timeout", given.run_timeout),
            train_timeout=command_line.number("--train-timeout", given.train_timeout),
            spares=command_line.count("--spares", given.spares, MOST_SPARES),
            cpu_memory=int(command_line.number("--cpu-memory", given.cpu_memory) * 1e9)
            if given.cpu_memory
            else None,
        ),
        hub=_hub(data, environment),
        space=space,
        zero_gpu=space and environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "true"),
    )


@dataclass(frozen=True)
class Pull:
    """What `app.py pull` was asked for."""

    names: tuple[str, ...]
    accept_licence: bool
    settings: Settings


def parse_pull(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Pull:
    """The command line of `app.py pull`. Raises `CannotStart` as `parse` does."""
    parser = CommandLine(
        prog="app.py pull", description="Download the weights of models before they are used."
    )
    parser.add_argument("names", nargs="+", metavar="owner/name")
    accepting = "accept the licences of these models, where they set conditions"
    parser.add_argument("--accept-licence", action="store_true", help=accepting)
    parser.add_argument("--data", help="the app's data folder (data)")
    parser.add_argument("--models", action="append", metavar="DIR", default=[])
    given = parser.read(arguments)
    more = ["--data", given.data] if given.data else []
    more += [text for folder in given.models for text in ("--models", folder)]
    return Pull(tuple(given.names), given.accept_licence, parse(more, environment))


@dataclass(frozen=True)
class Add:
    """What `app.py add` was asked for; `options` are those of `HubModels.make`."""

    reference: str
    options: Mapping[str, str | bool]
    settings: Settings


def parse_add(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Add:
    """The command line of `app.py add`. Raises `CannotStart` as `parse` does."""
    parser = CommandLine(prog="app.py add", description="Make a model of a repository of the Hub.")
    option = parser.add_argument
    option("reference", metavar="hf:owner/repo[@revision]")
    option("--name", default="", metavar="owner/name", help="what it is to be called")
    trusted = "run the code that the repository brings, as it is at this commit"
    option("--trust-remote-code", default="", metavar="COMMIT", help=trusted)
    unsafe = "also take weights in formats that can run code when they are read"
    option("--unsafe-formats", action="store_true", help=unsafe)
    option("--data", help="the app's data folder (data)")
    given = parser.read(arguments)
    options = {
        "name": given.name,
        "trust_remote_code": given.trust_remote_code,
        "unsafe_formats": given.unsafe_formats,
    }
    more = ["--data", given.data] if given.data else []
    return Add(given.reference, options, parse(more, environment))


@dataclass(frozen=True)
class Push:
    """What `app.py push` was asked for."""

    source: str
    name: str
    settings: Settings


def parse_push(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Push:
    """The command line of `app.py push`. Raises `CannotStart` as `parse` does."""
    parser = CommandLine(
        prog="app.py push",
        description="Make a version of a model of a Cog folder, whether the app runs or not.",
    )
    option = parser.add_argument
    option("source", metavar="DIR", help="the folder, a zip of it, or https://… of a repository")
    option("name", metavar="owner/name", help="what the model is called")
    option("--data", help="the app's data folder (data)")
    option("--models", action="append", metavar="DIR", default=[], help="as the app has it")
    private = "let a repository's address be one of this machine or its network"
    option("--allow-private-webhooks", action="store_true", help=private)
    given = parser.read(arguments)
    more = ["--data", given.data] if given.data else []
    more += [text for folder in given.models for text in ("--models", folder)]
    more += ["--allow-private-webhooks"] if given.allow_private_webhooks else []
    return Push(given.source, given.name, parse(more, environment))


@dataclass(frozen=True)
class ServeFolder:
    """What `app.py serve` was asked for."""

    folder: Path
    settings: Settings


def parse_serve(
    arguments: Sequence[str], environment: Mapping[str, str] = os.environ
) -> ServeFolder:
    """The command line of `app.py serve`. Raises `CannotStart` as `parse` does."""
    parser = CommandLine(
        prog="app.py serve", description="Serve one model folder over the routes of Cog's server."
    )
    option = parser.add_argument
    option("folder", metavar="DIR", help="a folder with a cog.yaml")
    option("--host", default="127.0.0.1", help="address to listen on")
    option("--port", default="8393", help="port to listen on (8393, as `cog serve`)")
    option("--data", metavar="FOLDER", help="for files and environments (.cog/atelier in DIR)")
    option("--offline", action="store_true", help="never ask the network")
    given = parser.read(arguments)
    folder = Path(given.folder).expanduser().resolve()
    if not (folder / "cog.yaml").is_file():
        reason = f"{folder} has no cog.yaml. `app.py init {given.folder}` writes one."
        raise CannotStart(reason)
    more = ["--host", given.host, "--port", given.port]
    more += ["--data", given.data or str(folder / ".cog" / "atelier")]
    more += ["--offline"] if given.offline else []
    settings = parse(more, environment)
    alone = given.host in ("127.0.0.1", "::1", "localhost")
    return ServeFolder(
        folder,
        replace(
            settings,
            models=(),
            tokens=None,
            retention=settings.retention or 3600.0,
            # Who develops a model has the webhooks' receiver beside it.
            allow_private_webhooks=settings.allow_private_webhooks or alone,
            pool=replace(settings.pool, spares=0),
        ),
    )


def parse_init(arguments: Sequence[str]) -> Path:
    """The command line of `app.py init`: the folder to write into."""
    parser = CommandLine(
        prog="app.py init", description="Write a model that runs at once, to be changed."
    )
    parser.add_argument("folder", metavar="DIR")
    return Path(parser.read(arguments).folder).expanduser().resolve()


def _hub(data: Path, environment: Mapping[str, str]) -> HubSettings:
    given = environment.get
    home = Path(given("HF_HOME") or data / "huggingface").expanduser()
    cache = given("HF_HUB_CACHE") or given("HUGGINGFACE_HUB_CACHE") or home / "hub"
    usual = Path(given("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "token"
    named = given("HF_TOKEN_PATH")
    return HubSettings(
        cache=Path(cache).expanduser(),
        endpoint=(given("HF_ENDPOINT") or HubSettings.endpoint).rstrip("/"),
        given_token=given("HF_TOKEN") or given("HUGGING_FACE_HUB_TOKEN"),
        token_files=(Path(named).expanduser() if named else home / "token", usual),
    )
