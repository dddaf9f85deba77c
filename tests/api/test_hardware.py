"""What is told of a machine with two equal cards, which are a device together too."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from api.account import Account
from api.deployments import Deployments
from api.errors import InvalidBody
from predictions.deployments import sku
from workers.devices import GIB, Device

CARDS = [Device(f"cuda:{number}", "Tesla T4", 16 * GIB, 64) for number in range(2)]
BOTH = Device("cuda:0+1", "2 × Tesla T4", 32 * GIB, 64, parts=("cuda:0", "cuda:1"))
CPU = Device("cpu", "cpu", 8 * GIB, 4)


@pytest.fixture
def service():
    return SimpleNamespace(pool=SimpleNamespace(devices=[*CARDS, BOTH, CPU]))


async def test_cards_are_counted_once_and_a_set_is_no_hardware_of_its_own(service):
    answer = await Account(service).hardware(None)
    told = json.loads(answer.body)
    assert [(each["name"], each["count"]) for each in told] == [("Tesla T4", 2), ("CPU", 1)]


def test_a_deployment_is_for_a_kind_of_card_and_no_set(service):
    deployments = Deployments(service, None)
    deployments._check(sku("Tesla T4"), 0, 1)
    with pytest.raises(InvalidBody):
        deployments._check(sku(BOTH.hardware), 0, 1)
