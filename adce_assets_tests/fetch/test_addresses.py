import pytest

from adce_assets.fetch.addresses import is_public, leads_inward

PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "93.184.216.34", "192.0.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"),
    "64:ff9b::5db8:d822",  # where the network makes IPv4 of IPv6
    "64:ff9b::8.8.8.8",
]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.0.1",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "ff0e::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::7f00:1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::",
    "64:ff9b::a00:1",
    "64:ff9b::168.63.129.16",
    "64:ff9b:0:0:1::808:808",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fec0::1",
    "3fff::1",
    "5f00::1",
    "100::1",
    "192.88.99.1",
    "168.63.129.16",
    "100.100.100.200",
    "",
    "localhost",
    "127.1",
    "8.8.8.8.",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_every_other_address_is_not(address: str):
    assert not is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "::ffff:10.0.0.1", "[fd00:ec2::254]", "0"),
        *("2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "10.1", "169.254.43518"),
        *(
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "metadata.google.internal",
            "printer.local",
            "nas.lan",
        ),
    ],
)
def test_a_name_that_leads_inward_is_known_in_every_spelling(host: str):
    assert leads_inward(host, own=False)


@pytest.mark.parametrize(
    "host",
    ["8.8.8.8", "espn.com", "134744072", "[2606:4700:4700::1111]", "localhost.example", "notlocal", "lan.example"],
)
def test_a_name_of_the_internet_does_not_lead_inward(host: str):
    assert not leads_inward(host, own=False)


@pytest.mark.parametrize(
    ("host", "inward"),
    [
        *((name, False) for name in ("127.0.0.2", "10.9.9.9", "nas.lan", "8.8.8.8", "fd12::1", "::ffff:10.0.0.1")),
        *((name, True) for name in ("169.254.169.254", "2852039166", "[::ffff:169.254.169.254]", "[fd00:ec2::254]")),
        *(
            (name, True)
            for name in ("64:ff9b::a9fe:a9fe", "[::a9fe:a9fe]", "2002:a9fe:a9fe::1", "64:ff9b:1::a9fe:a9fe")
        ),
        *((name, True) for name in ("2001:0:a9fe:a9fe::1", "2001:0:808:808::5601:5601")),
        *((name, False) for name in ("64:ff9b::a00:1", "2002:a00:1::1", "::ffff:8.8.8.8", "2001:0:808:808::1")),
        *((name, True) for name in ("100.100.100.200", "metadata.google.internal", "Metadata.Google.Internal.")),
    ],
)
def test_a_server_of_our_own_may_name_others_but_not_where_clouds_keep_credentials(host: str, inward: bool):  # noqa: FBT001 - a table
    assert leads_inward(host, own=True) is inward
