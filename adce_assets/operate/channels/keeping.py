"""The name of a secret in, the secret out; the texts that are told hide it from then on."""

import re

from adce_assets.errors import ConfigurationError
from adce_assets.fetch.secrets import Redactor, Secrets

LEAST_PART = 8
"""Letters of a part of a URL that may be a secret by itself."""


def secret_of(name: str, secrets: Secrets, redactor: Redactor) -> str:
    """Return a secret of the environment that a process was started with: another one holds from its restart on.

    Raises:
        ConfigurationError: nobody keeps it, or it is nothing that can be sent.
    """
    secret = (secrets(name) or "").strip()
    if not secret:
        hint = "set it in the environment of the service, and `adce restart`"
        raise ConfigurationError(f"the secret `{name}` is not there", hint=hint)
    redactor.learn(secret)
    path = secret.partition("://")[2].partition("/")[2]  # of a URL, which a server may repeat, or parts of it
    for part in (path, *(one for one in re.split(r"[/?&=#]", path) if len(one) >= LEAST_PART)):
        redactor.learn(part)
    if not (secret.isascii() and secret.isprintable()):
        raise ConfigurationError(f"the secret `{name}` cannot be sent", valid="printable ASCII")
    return secret
