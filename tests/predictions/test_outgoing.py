"""What the server may be told to speak to."""

from __future__ import annotations

import ipaddress

import httpx
import pytest

from cog.addresses import is_public
from predictions import outgoing
from predictions.prediction import Status


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.100.100.200", "224.0.0.1", "255.255.255.255", "::1", "::",
        "fe80::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:1::1",
    ],
)  # fmt: skip
def test_no_address_inside_is_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_what_everybody_reaches_is_public(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/", "http://0:9/",
        "http://2130706433:9/", "http://0x7f.1:9/", "http://[::ffff:127.0.0.1]:9/",
        "http://169.254.169.254/latest/meta-data",
    ],
)  # fmt: skip
async def test_however_it_is_written_it_is_not_spoken_to(url):
    async with outgoing.client(False) as client:
        with pytest.raises(outgoing.ForbiddenAddress, match="--allow-private-webhooks"):
            await client.get(url)


async def test_a_name_that_nobody_knows_is_an_error_of_the_network():
    async with outgoing.client(False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://{'a' * 64}.com/")


async def test_a_file_input_inside_the_network_fails_the_prediction_with_a_sentence(start):
    app = await start(private=False)
    ended = await app.run("local/image-in-out", {"image": "http://127.0.0.1:9/x.png"})
    assert ended.status is Status.FAILED
    assert "inside this machine or its network" in ended.error
