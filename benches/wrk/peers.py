"""The proxies: what each is called, where it comes from, and how it is started for a scenario.

Each has one worker unless the scenario wants more, answers with a CORS field, and logs nothing.
"""
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from processes import version
from stage import TREE

PLAIN, TLS, BULK, LOAD = "origin", "origin_tls", "bulk", "load"
NODE_MODULES = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "corsair-bench"


@dataclass(frozen=True)
class Setting:
    """What a scenario wants of a proxy."""
    upstream: str = PLAIN
    tls: bool = False
    gateway: bool = False
    routes: int = 0  # so many in a file, of which one takes the requests; none: flags
    workers: int = 1
    single_process: bool = False  # nginx without a master, for programs that watch one process


@dataclass(frozen=True)
class Peer:
    """A proxy that can be started."""
    name: str
    title: str
    version: Callable  # () → text, or None where it is not installed
    install: str  # how to get it
    command: Callable  # (stage, setting) → words
    environment: Callable = lambda: {}
    gateway_path: Callable = lambda url: f"/?url={url}"


def nginx(stage, setting):
    configuration = stage.render(
        "nginx.conf", workers=setting.workers, upstream=address(stage, setting),
        scheme="https" if setting.upstream == TLS else "http",
        single_process="master_process off;" if setting.single_process else "")
    return ["nginx", "-p", stage.work, "-c", configuration]


def haproxy(splice):
    def command(stage, setting):
        configuration = stage.render(
            "haproxy.cfg", workers=setting.workers, upstream=address(stage, setting),
            server_tls="ssl verify none" if setting.upstream == TLS else "",
            splice="option splice-request\n  option splice-response" if splice else "")
        return ["haproxy", "-q", "-db", "-f", configuration]
    return command


def corsair(path, workers=None):
    def command(stage, setting):
        port = stage.ports["listen_tls" if setting.tls else "listen"]
        upstream = stage.ports[setting.upstream]
        words = [path, "--listen", f"127.0.0.1:{port}", "--workers", str(workers or setting.workers), "--access-log", "off"]
        if setting.routes:
            words += ["--config", routes(stage, setting.routes, upstream)]
        elif setting.gateway:
            words += ["--allow-target", f"127.0.0.1:{upstream}"]
        elif setting.upstream == TLS:
            words += ["--upstream", f"https://localhost:{upstream}", "--ca-file", f"{stage.work}/cert.pem"]
        else:
            words += ["--upstream", f"http://127.0.0.1:{upstream}"]
        if setting.tls:
            words += ["--tls-cert", f"{stage.work}/cert.pem", "--tls-key", f"{stage.work}/key.pem"]
        return words
    return command


def routes(stage, count, upstream):
    """A file with so many routes, of which the last takes what is asked for here."""
    others = "".join(f'[[route]]\nhost = "host-{number % 97}.example"\npath = "/service-{number}/v1"\nupstream = "bulk"\n'
                     for number in range(count - 1))
    path = Path(stage.work) / f"routes-{count}.toml"
    path.write_text(f'{others}[[route]]\nhost = "127.0.0.1"\npath = "/1024"\nupstream = "bulk"\n'
                    f'[upstream.bulk]\nservers = ["http://127.0.0.1:{upstream}"]\n')
    return str(path)


def built(name):
    """A small peer of `benches/peers`, built beside corsair."""
    path = str(TREE / "target/release/examples" / name)

    def command(stage, setting):
        return [path, f"127.0.0.1:{stage.ports['listen']}", address(stage, setting)]
    return command, lambda: "of this tree" if Path(path).exists() else None


def nginx_version():
    return version(["nginx", "-v"], r"nginx/([\d.]+)")


def haproxy_version():
    return version(["haproxy", "-v"], r"version ([\d.]+)")


def cors_anywhere(stage, setting):
    return ["node", stage.render("cors-anywhere.js")]


def node_version():
    if not (NODE_MODULES / "node_modules/cors-anywhere").exists():
        return None
    return version(["node", "--version"], r"v([\d.]+)")


def address(stage, setting):
    return f"127.0.0.1:{stage.ports[setting.upstream]}"


def all_peers(corsair_path):
    """Every peer by name, `direct` (no proxy at all) not among them."""
    relay, relay_version = built("relay")
    hyper, hyper_version = built("hyper")
    build = "cargo build --release --examples"
    peers = [
        Peer("relay", "bare relay", relay_version, build, relay),
        Peer("nginx", "nginx", nginx_version, "apt-get install nginx", nginx),
        Peer("haproxy", "HAProxy", haproxy_version, "apt-get install haproxy", haproxy(splice=False)),
        Peer("haproxy-splice", "HAProxy, splice", haproxy_version, "apt-get install haproxy", haproxy(splice=True)),
        Peer("hyper", "hyper", hyper_version, build, hyper),
        Peer("cors-anywhere", "cors-anywhere", node_version,
             f"apt-get install nodejs npm, then: npm install --prefix {NODE_MODULES} cors-anywhere", cors_anywhere,
             environment=lambda: {"NODE_PATH": str(NODE_MODULES / "node_modules")}, gateway_path=lambda url: f"/{url}"),
        another_corsair("corsair", "corsair", corsair_path),
        another_corsair("corsair-two", "corsair, 2 workers", corsair_path, workers=2),
    ]
    return {peer.name: peer for peer in peers}


def another_corsair(name, title, path, workers=None):
    """corsair, from this binary."""
    return Peer(name, title, lambda: version([path, "--version"], r"([\d.]+)"), "cargo build --release", corsair(path, workers))


def missing_tools():
    """Programs without which nothing can be measured, with how to get them."""
    wanted = {"wrk": "apt-get install wrk", "nginx": "apt-get install nginx (it is the origin, too)",
              "openssl": "apt-get install openssl", "taskset": "apt-get install util-linux"}
    return {name: how for name, how in wanted.items() if not shutil.which(name)}
