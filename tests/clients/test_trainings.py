"""Trainings through the official clients that live outside the tests' environment."""

from __future__ import annotations

import pytest

INTO = "local/trains"


@pytest.fixture
def parent(server):
    versions = server.service.catalog.find(INTO).versions
    return next(each.id for each in versions if each.origin is None)


def test_pythons_client_2_creates_gets_lists_and_cancels(python_2, parent):
    lines = """
        import time
        to_train = dict(
            model_owner='local', model_name='trains', version_id=version, destination=into)
        made = client.trainings.create(**to_train, input={'word': 'cats'})
        while client.trainings.get(training_id=made.id).status in ('starting', 'processing'):
            time.sleep(0.05)
        done = client.trainings.get(training_id=made.id)
        other = client.trainings.create(**to_train, input={'word': 'x', 'ending': 'never'})
        canceled = client.trainings.cancel(training_id=other.id)
        listed = [each.id for each in client.trainings.list()]
        give([made.status, done.status, done.output.version, client.run(
            done.output.version, input={}), canceled.status, listed[:2] == [other.id, made.id]])
    """
    first, last, version, output, canceled, are_listed = python_2(lines, version=parent, into=INTO)
    assert (first, last, canceled) == ("starting", "succeeded", "canceled") and are_listed
    assert version.startswith(f"{INTO}:") and output == "I know cats"


def test_nodes_client_creates_gets_lists_and_cancels(node, parent):
    lines = """
        const train = (input) => replicate.trainings.create(
            'local', 'trains', version, {destination: into, input});
        const made = await train({word: 'dogs'});
        let done = made;
        while (['starting', 'processing'].includes(done.status)) {
            await new Promise((next) => setTimeout(next, 50));
            done = await replicate.trainings.get(made.id);
        }
        const other = await train({word: 'x', ending: 'never'});
        const canceled = await replicate.trainings.cancel(other.id);
        const {results} = await replicate.trainings.list();
        const output = await replicate.run(done.output.version, {input: {}});
        give([made.status, done.status, output, canceled.status,
            results[0].id === other.id && results[1].id === made.id]);
    """
    given = node(lines, version=parent, into=INTO)
    assert given == ["starting", "succeeded", "I know dogs", "canceled", True]


def test_a_wrong_destination_is_an_error_of_the_clients(python_2, node, parent):
    lines = """
        try:
            client.trainings.create(
                model_owner='local', model_name='trains', version_id=version,
                destination='local/nobody', input={'word': 'x'})
        except replicate.UnprocessableEntityError as error:
            give(error.body['detail'])
    """
    assert "'local/nobody' cannot take the weights" in python_2(lines, version=parent)
    lines = """
        try {
            await replicate.trainings.create(
                'local', 'trains', version, {destination: 'local/nobody', input: {word: 'x'}});
        } catch (error) { give(error.response.status); }
    """
    assert node(lines, version=parent) == 422
