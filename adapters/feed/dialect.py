"""How one HTTP platform is spoken to, as an operator writes it down."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, SecretStr, model_validator
from yarl import URL

from adapters.wire import ClientCertificate, NetworkName, Proxy, WireSettings


def _http_address(value: str) -> str:
    url = URL(value)
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("expected an address such as https://xf.example.gov.cn")
    if url.user or url.password or url.query_string or url.fragment:
        raise ValueError("expected an address without user, password, ? or #; secrets have keys of their own")
    return value.rstrip("/")


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("expected a time zone's name such as Asia/Shanghai") from error
    return value


HttpAddress = Annotated[str, AfterValidator(_http_address)]
ZoneName = Annotated[str, AfterValidator(_known_zone)]
Value = str | int | float | bool | None
Placeholders = "{begin} {end} {page} {size} {app_id} {app_secret}"


class Described(BaseModel):
    # an error must not show its input: a secret may stand beside the mistake
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Tls(Described):
    ca_file: Path | None = Field(
        default=None, description="certificate authorities to trust, a PEM file; none: the system's"
    )
    verify: bool = Field(default=True, description="false: accept any certificate (only on a closed network)")
    client_cert: ClientCertificate | None = Field(
        default=None, description="our own certificate, if the platform asks for one"
    )


class Request(Described):
    """A call whose texts may hold placeholders; one that stands alone keeps its type (`"{page}"` becomes a number)."""

    method: Literal["GET", "POST"] = Field(default="GET", description="GET or POST")
    path: str = Field(description="path below base_url")
    params: dict[str, JsonValue] = Field(default_factory=dict, description=f"query; may use {Placeholders}")
    headers: dict[str, str] = Field(default_factory=dict, description=f"headers; may use {Placeholders}")
    body: JsonValue = Field(default=None, description=f"body; may use {Placeholders}")
    body_as: Literal["json", "form"] = Field(default="json", description="how the body is sent")


class TokenAuth(Described):
    """Log in once, show the token with every request, log in again when it has run out."""

    kind: Literal["token"] = "token"
    login: Request = Field(description="the call that logs in")
    token: str | None = Field(default=None, description="path to the token in its answer; none: its cookies are enough")
    expires_in: str | None = Field(default=None, description="path to the token's life in seconds")
    header: str = Field(default="token", description="header that carries the token")
    prefix: str = Field(default="", description="what stands before the token in the header, such as 'Bearer '")


class SignatureAuth(Described):
    """Sign every request: all parameters sorted by name, joined `k=v&…`, with the secret, digested."""

    kind: Literal["signature"] = "signature"
    digest: Literal["md5", "sha256", "hmac-md5", "hmac-sha256"] = Field(default="md5", description="how it is digested")
    secret_joined: str = Field(
        default="{pairs}&appSecret={secret}",
        description="the text that is digested; with hmac the secret is the key: '{pairs}'",
    )
    upper: bool = Field(default=True, description="true: upper-case hexadecimal digits")
    app_id: str | None = Field(default="appId", description="name of the parameter with app_id; none: not sent")
    nonce: str | None = Field(default="nonceStr", description="name of the parameter never used twice; none: not sent")
    timestamp: str | None = Field(
        default="timeStamp", description="name of the parameter with the time; none: not sent"
    )
    timestamp_unit: Literal["s", "ms"] = Field(default="s", description="seconds or milliseconds since 1970")
    sign: str = Field(default="sign", description="name of the parameter with the signature")
    where: Literal["query", "header", "body"] = Field(default="query", description="where these parameters are put")


class Listing(Request):
    """The call that lists records changed within a window of time, a page at a time."""

    records: str = Field(description="path to the list of records; '' when the answer is the list")
    total: str | None = Field(default=None, description="path to how many records the window holds")
    key: tuple[str, ...] = Field(min_length=1, description="paths that together name a record, such as [xfjid]")
    modified: str = Field(description="path to the time a record was last changed")
    ordered: bool = Field(
        default=True,
        description="true: listed by that time, oldest first; false: in no order, so every window is read twice",
    )
    volatile: tuple[str, ...] = Field(default=(), description="top-level keys that change with every request")
    descriptors: tuple[str, str] | None = Field(
        default=None,
        description="names of name and value when a record is a list of fields, such as [fd_name, choice_value]",
    )
    time_format: str = Field(
        default="%Y-%m-%d %H:%M:%S", description="how times are written (strptime), or epoch_s, epoch_ms, iso"
    )
    timezone: ZoneName = Field(default="Asia/Shanghai", description="the zone of times that name none")
    max_window: timedelta | None = Field(default=None, gt=timedelta(0), description="the longest window it accepts")
    page_size: int = Field(default=50, ge=1, le=5000, description="records asked for at a time")
    first_page: int = Field(default=1, ge=0, le=1, description="the number of the first page")


class Success(Described):
    path: str = Field(description="path in the answer")
    values: tuple[Value, ...] = Field(min_length=1, description="what stands there when all is well")


class Errors(Described):
    """What to do on which code; any other means: ask later."""

    path: str = Field(description="path to the code")
    message: str | None = Field(default=None, description="path to the platform's own words, for our error message")
    login: tuple[Value, ...] = Field(default=(), description="the session has ended: log in and ask again, once")
    again: tuple[Value, ...] = Field(default=(), description="ask again at once, once")
    refuse: tuple[Value, ...] = Field(default=(), description="a person must look (permission, signature)")


class Attachments(Described):
    hosts: tuple[str, ...] = Field(
        default=(), description="hosts (or host:port) they may lie on, or be redirected to, besides base_url's"
    )
    max_bytes: int = Field(default=200 * 2**20, gt=0, description="larger ones are refused")


class Dialect(Described):
    """Everything needed to ask a platform; of what its records mean it knows nothing."""

    base_url: HttpAddress = Field(description="where the platform is, such as https://xf.example.gov.cn")
    app_id: str | None = Field(default=None, description="our name at the platform")
    app_secret: SecretStr | None = Field(default=None, description="our secret there; from the environment or a file")
    tls: Tls = Field(default=Tls(), description="whom to trust")
    proxy: Proxy | None = Field(
        default=None, description="HTTP proxy on the way, such as http://proxy.example:3128; none: directly"
    )
    allow_addresses: tuple[NetworkName, ...] = Field(
        default=(),
        description="networks its name, or that of an attachment's host, may lead to although they are this machine's"
        " own or link-local, such as 127.0.0.0/8",
    )
    auth: Annotated[TokenAuth | SignatureAuth, Field(discriminator="kind")] | None = Field(
        default=None, description="how to prove who we are; none: nothing, or headers of the listing call"
    )
    listing: Listing = Field(description="the call that lists records")
    success: Success | None = Field(default=None, description="how an answer says that all is well; none: by HTTP only")
    errors: Errors | None = Field(default=None, description="what its codes mean")
    attachments: Attachments = Field(default=Attachments(), description="where attachments may lie and how large")
    look_back: timedelta = Field(
        default=timedelta(minutes=10),
        ge=timedelta(0),
        description="how far before the last record seen each poll begins",
    )
    connect_timeout: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0), description="to connect")
    timeout: timedelta = Field(
        default=timedelta(seconds=60), gt=timedelta(0), description="for one answer; for a file: for it to go on coming"
    )
    max_page_bytes: int = Field(default=32 * 2**20, gt=0, description="a larger page is not read")

    @property
    def wire(self) -> WireSettings:
        """How the platform is reached and trusted."""
        return WireSettings(
            ca_file=self.tls.ca_file,
            client_cert=self.tls.client_cert,
            proxy=self.proxy,
            allow_addresses=self.allow_addresses,
        )

    @model_validator(mode="after")
    def _secrets_are_there(self) -> Dialect:
        if isinstance(self.auth, SignatureAuth) and self.app_secret is None:
            raise ValueError("app_secret is missing: this platform signs its requests with it")
        used = self.model_dump_json(include={"listing", "auth"})
        for name in ("app_id", "app_secret"):
            if "{" + name + "}" in used and getattr(self, name) is None:
                raise ValueError(f"{name} is missing: this platform's requests use it")
        return self
