"""The name of a secret in, the secret out; the texts that are told hide it from then on."""

from adce_assets.errors import ConfigurationError
from adce_assets.fetch.secrets import Redactor, Secrets


def secret_of(name: str, secrets: Secrets, redactor: Redactor) -> str:
    """Return a secret, read anew each time, so that another one holds from the next message on.

    Raises:
        ConfigurationError: nobody keeps it, or it is nothing that can be sent.
    """
    secret = (secrets(name) or "").strip()
    if not secret:
        hint = "set it in the environment of the service, and `adce restart`"
        raise ConfigurationError(f"the secret `{name}` is not there", hint=hint)
    redactor.learn(secret)
    redactor.learn(secret.partition("://")[2].partition("/")[2])  # of a URL, which a server may repeat
    if not (secret.isascii() and secret.isprintable()):
        raise ConfigurationError(f"the secret `{name}` cannot be sent", valid="printable ASCII")
    return secret
