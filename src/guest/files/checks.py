"""Decides whether a job may run: who wants it, and what the policy service says of its repository.

Called by the job-started hook as the job's user, before anything of the job runs. Whatever cannot be
found out refuses the job. Exit code 0: it may run; 1: it is refused, and its log says why; 2: the
checks themselves failed, which refuses it, too.
"""

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

CONFIG = "/usr/local/lib/larm/checks.json"
TOKEN = "/run/larm/policy/token"
METRICS = "/var/lib/larm/metrics/post-job-metrics.json"
# For the whole question, in seconds.
LIMIT = 60
# Most that is read and shown of an answer, in bytes.
ANSWER = 4000

CONTRIBUTOR = "external-contributor-check-failure"
POLICY = "repo-policy-check-failure"
OPERATORS = "contact the operators of these runners"

# Who speaks in an event, and so whose standing counts.
SPEAKERS = {
    "pull_request": "pull_request",
    "pull_request_target": "pull_request",
    "pull_request_review": "review",
    "pull_request_review_comment": "comment",
}
TRUSTED = {"OWNER", "MEMBER", "COLLABORATOR"}


class Refused(Exception):
    """The job may not run."""

    def __init__(self, status, reason, code=None):
        super().__init__(reason)
        self.status = status
        self.code = code


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for this service alone."""

    def redirect_request(self, *_):
        return None


def event(status):
    """What GitHub tells of the event that the job is for."""
    try:
        with open(os.environ["GITHUB_EVENT_PATH"], encoding="utf-8") as file:
            payload = json.load(file)
    except (KeyError, OSError, ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise Refused(status, f"the job's event cannot be read: {OPERATORS}", 0)
    return payload


def at(value, *keys):
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def check_contributor():
    name = os.environ.get("GITHUB_EVENT_NAME", "")
    if name != "issue_comment" and name not in SPEAKERS:
        return
    payload = event(CONTRIBUTOR)
    speaker = SPEAKERS.get(name, "comment")
    if name in SPEAKERS:
        head = at(payload, "pull_request", "head", "repo", "full_name")
        if head is not None and head == at(payload, "pull_request", "base", "repo", "full_name"):
            return
    standing = at(payload, speaker, "author_association")
    trusted = set(TRUSTED)
    if at(payload, "repository", "private") is True:
        trusted.add("CONTRIBUTOR")
    if standing not in trusted:
        raise Refused(
            CONTRIBUTOR,
            f"jobs of people outside the repository are not run here ({standing}): "
            "ask a member to push the change to a branch of the repository itself",
        )


def question():
    """The policy service's endpoint for this event, and what it is asked."""
    name = os.environ.get("GITHUB_EVENT_NAME", "")
    body = {"repository_name": os.environ.get("GITHUB_REPOSITORY", "")}
    if name == "pull_request":
        payload = event(POLICY)
        body |= {
            "source_repository_name": at(payload, "pull_request", "head", "repo", "full_name"),
            "target_branch_name": os.environ.get("GITHUB_BASE_REF", ""),
            "source_branch_name": os.environ.get("GITHUB_HEAD_REF", ""),
            "commit_sha": at(payload, "pull_request", "head", "sha"),
        }
        return "/pull_request/check-run", body
    if name in ("workflow_dispatch", "push", "schedule"):
        return f"/{name}/check-run", body
    return "/default/check-run", body


def take_token():
    try:
        with open(TOKEN, encoding="ascii") as file:
            token = file.read().strip()
        # The job has no business with it.
        os.unlink(TOKEN)
    except (OSError, ValueError):
        raise Refused(POLICY, f"there is no token for the policy service: {OPERATORS}", 0) from None
    return token


def too_slow(*_):
    raise TimeoutError


def ask(url, body, token):
    """The HTTP status and the answer's text; status 0 where there is no answer."""
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(LIMIT)
    try:
        with opener.open(request, timeout=LIMIT) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, text_of(error)
    # Whatever goes wrong on the way there is no answer.
    except Exception:
        return 0, ""
    finally:
        signal.alarm(0)


def text_of(answer):
    """What it says, if that comes whole."""
    try:
        return answer.read(ANSWER).decode("utf-8", "replace")
    except Exception:
        return ""


def check_policy(base):
    path, body = question()
    status, text = ask(base + path, body, take_token())
    if 200 <= status < 300:
        return
    # Nothing of an answer is a command to the runner.
    for line in text.replace("##[", "## [").splitlines():
        print(f"larm: | {line}")
    if 400 <= status < 500:
        reason = f"the repository does not comply with the policy ({status}): fix the repository"
    elif status == 0:
        reason = f"the policy service does not answer: {OPERATORS}"
    else:
        reason = f"the policy service failed ({status}): {OPERATORS}"
    raise Refused(POLICY, reason, status)


def write_metrics(refused):
    fields = {"timestamp": time.time(), "status": refused.status}
    if refused.code is not None:
        fields["status_info"] = {"code": refused.code}
    with open(METRICS + ".new", "w", encoding="utf-8") as file:
        file.write(json.dumps(fields) + "\n")
    os.replace(METRICS + ".new", METRICS)


def check():
    with open(CONFIG, encoding="utf-8") as file:
        config = json.load(file)
    if config["refuse_external_contributors"]:
        check_contributor()
    if config["policy_url"]:
        check_policy(config["policy_url"])


def main():
    try:
        check()
    except Refused as refused:
        print(f"larm: the job is refused: {refused}", flush=True)
        write_metrics(refused)
        return 1
    return 0


def fail():
    """Whatever it was: what is told of it must not fail again."""
    print(f"larm: the job is refused: the checks failed: {OPERATORS}", flush=True)
    try:
        write_metrics(Refused(POLICY, "", 0))
    except Exception:
        pass
    return 2


if __name__ == "__main__":
    try:
        code = main()
    except Exception:
        code = fail()
    sys.exit(code)
