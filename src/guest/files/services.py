"""services.py ROOT USER: writes what guests are told of proxy and mirror, below ROOT.

Reads services.json, which larm has made. What the image has of docker's settings is kept.
"""

import json
import os
import pwd
import re
import socket
import sys

CONFIG = "usr/local/lib/larm/services.json"
# What the runner's own .env cannot hold: it ends lines at both, and takes an empty value for none.
UNFIT = re.compile(r"[\r\n]")


class Wrong(Exception):
    """Something of the image's that cannot be worked with."""


def put(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.chmod(path, mode)


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except FileNotFoundError:
        return {}
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Wrong(f"the image's {path} is no JSON object")
    return value


def no_proxy(told):
    hosts = [told["no_proxy"], "localhost", "127.0.0.1", "::1", socket.gethostname(), ".svc"]
    return ",".join(host for host in hosts if host)


def proxies(told):
    """The variables of the proxy."""
    all_ = {"http_proxy": told["http"], "https_proxy": told["https"]}
    all_ = {name: url for name, url in all_.items() if url}
    if all_:
        all_["no_proxy"] = no_proxy(told)
    return all_ | {name.upper(): value for name, value in all_.items()}


def write_apt(root, told):
    lines = []
    for scheme in ("http", "https"):
        if not told[scheme]:
            continue
        lines.append(f'Acquire::{scheme}::Proxy "{told[scheme]}";')
        for host in no_proxy(told).split(","):
            # apt knows whole names only.
            if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", host):
                lines.append(f'Acquire::{scheme}::Proxy::{host} "DIRECT";')
    if lines:
        put(f"{root}etc/apt/apt.conf.d/90larm-proxy", "\n".join(lines) + "\n")


def write_system(root, variables):
    """For sessions, snapd, and all else that reads /etc/environment."""
    path = f"{root}etc/environment"
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        lines = []
    mine = tuple(f"{name}=" for name in variables)
    lines = [line for line in lines if not line.startswith(mine)]
    lines += [f'{name}="{value}"' for name, value in variables.items()]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("\n".join(lines) + "\n")


def write_docker(root, told, variables):
    """The daemon's mirror and proxy; it reads the latter from its environment, in all versions."""
    if told["mirror"]:
        path = f"{root}etc/docker/daemon.json"
        config = read_json(path)
        others = config.get("registry-mirrors", [])
        if not isinstance(others, list):
            raise Wrong(f"the image's {path} has a registry-mirrors that is no list")
        others = [one for one in others if one != told["mirror"]]
        config["registry-mirrors"] = [told["mirror"], *others]
        put(path, json.dumps(config, indent=2) + "\n")
    if variables:
        lines = ["[Service]"]
        for name, value in variables.items():
            # systemd takes % for a specifier.
            lines.append(f'Environment="{name}={value.replace("%", "%%")}"')
        put(f"{root}etc/systemd/system/docker.service.d/90-larm-proxy.conf", "\n".join(lines) + "\n")


def write_docker_client(root, told, user):
    names = {"httpProxy": told["http"], "httpsProxy": told["https"], "noProxy": no_proxy(told)}
    directory = f"{root.rstrip('/')}{user.pw_dir}/.docker"
    path = f"{directory}/config.json"
    config = read_json(path)
    settings = config.setdefault("proxies", {})
    if not isinstance(settings, dict):
        raise Wrong(f"the image's {path} has proxies that are no object")
    settings["default"] = {name: value for name, value in names.items() if value}
    put(path, json.dumps(config, indent=2) + "\n", 0o600)
    for one in (directory, path):
        os.chown(one, user.pw_uid, user.pw_gid)


def write_dotenv(root, told, variables):
    """For the runner application, which reads .env itself."""
    lines = []
    for name, value in [*variables.items(), *told["dotenv"]]:
        if value and not UNFIT.search(value):
            lines.append(f"{name}={value}\n")
    put(f"{root}var/lib/larm/dotenv", "".join(lines))


def main(root, user):
    with open(root + CONFIG, encoding="utf-8") as file:
        told = json.load(file)
    variables = proxies(told)
    write_docker(root, told, variables)
    if variables:
        write_apt(root, told)
        write_system(root, variables)
        write_docker_client(root, told, pwd.getpwnam(user))
    write_dotenv(root, told, variables)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except Wrong as wrong:
        sys.exit(str(wrong))
