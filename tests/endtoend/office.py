"""The configuration of a test: four doors, two targets, quick polls."""

from __future__ import annotations

from pathlib import Path

from sandbox.ports import free_port

_TEMPLATE = """
data:
  folder: {folder}/data
sealing:
  key: ${{XINQIAO_KEY}}
listen:
  host: 127.0.0.1
  port: {port}
log:
  format: json
  level: info
channels:
  sunshine:
    kind: sunshine
    every: 1s
    start_from: all
    base_url: {sunshine}
    app_id: xinqiao
    app_secret: ${{SUNSHINE_APP_SECRET}}
  hotline:
    kind: hotline
    every: 1s
    start_from: all
    base_url: {hotline}
    app_id: xinqiao
    app_secret: ${{HOTLINE_APP_SECRET}}
  director_mailbox:
    kind: mailbox
    every: 1s
    start_from: all
    host: 127.0.0.1
    port: {mailbox}
    tls: none
    username: {user}
    password: ${{MAILBOX_PASSWORD}}
  letters:
    kind: letters
    every: 1s
    start_from: all
    folder: {letters}
    archive: {folder}/archive
    settle_after: 100ms
targets:
  oa:
    url: {oa}/webhook
    secret: ${{OA_WEBHOOK_SECRET}}
    token: ${{OA_TOKEN}}
    receiver_id: id
    retry: {{first: 1s, longest: 5s}}
  discipline:
    url: {oa}/webhook/discipline
    secret: ${{OA_DISCIPLINE_SECRET}}
    token: ${{OA_DISCIPLINE_TOKEN}}
    restricted: only
    retry: {{first: 1s, longest: 5s}}
"""


def configuration(folder: Path, *, sunshine: str, hotline: str, mailbox: int, user: str, letters: Path, oa: str) -> str:
    """The YAML of it; secrets stand in the environment."""
    return _TEMPLATE.format(
        folder=folder,
        port=free_port(),
        sunshine=sunshine,
        hotline=hotline,
        mailbox=mailbox,
        user=user,
        letters=letters,
        oa=oa,
    )
