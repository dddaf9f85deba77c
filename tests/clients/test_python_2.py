"""Python's official client 2.0.0b4, unchanged: the rows of the contract's §11.2."""

from __future__ import annotations

import pytest
from PIL import Image


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (8, 8), "red").save(path)
    return str(path)


@pytest.mark.parametrize("wait", ["wait=True", "wait=5", "wait=False", "prefer='wait=5'"])
def test_run_gives_the_output_however_it_waits(python_2, wait):
    assert python_2(f"give(client.run('local/echo', input={{'text': 'hi'}}, {wait}))") == "hi"


def test_run_by_version_gives_the_output(python_2, server):
    version = server.service.catalog.find("local/echo").latest.id
    lines = "give(client.run(reference, input={'text': 'hi'}, cancel_after='1m'))"
    assert python_2(lines, reference=f"local/echo:{version}") == "hi"


def test_run_polls_when_the_wait_runs_out(python_2):
    lines = "give(list(client.run('local/counts', input={'n': 4, 'delay': 0.4}, wait=1)))"
    assert "".join(python_2(lines)) == "0 1 2 3 "


def test_a_failed_run_raises_with_its_reason(python_2):
    lines = """
        from replicate.exceptions import ModelError
        try:
            client.run('local/fails-midway', input={})
        except ModelError as error:
            give([str(error), error.prediction.status])
    """
    reason, status = python_2(lines)
    assert "It went wrong midway." in reason and status == "failed"


def test_predictions_wait_returns_at_the_end(python_2):
    lines = """
        made = client.predictions.create(version=version, input={'text': 'hi'})
        give(client.predictions.wait(made.id).output)
    """
    version = "local/echo"
    assert python_2(lines, version=version) == "hi"


def test_use_calls_a_model_like_a_function(python_2):
    assert python_2("give(replicate.use('local/echo')(text='hi'))") == "hi"


def test_use_joins_text_that_is_one(python_2):
    assert python_2("give(str(replicate.use('local/counts')(n=3)))") == "0 1 2 "


def test_use_streaming_yields_what_grows_in_the_prediction(python_2):
    lines = """
        counts = replicate.use('local/counts', streaming=True)
        give(list(counts(n=4, delay=0.2)))
    """
    assert "".join(python_2(lines)) == "0 1 2 3 "


def test_stream_yields_what_grows_in_the_prediction(python_2):
    lines = """
        import warnings
        warnings.simplefilter('ignore')
        give([str(each) for each in replicate.stream('local/counts', input={'n': 3})])
    """
    assert "".join(python_2(lines)) == "0 1 2 "


def test_use_saves_a_file_under_its_name(python_2, picture):
    lines = """
        made = replicate.use('local/image-in-out')(image=pathlib.Path(path))
        give(pathlib.Path(made).name)
    """
    assert python_2(lines, path=picture).endswith(".png")


@pytest.mark.parametrize("form", ["pathlib.Path(path)", "open(path, 'rb')"])
def test_a_file_goes_in_and_comes_back(python_2, picture, form):
    lines = f"""
        output = client.run('local/image-in-out', input={{'image': {form}}})
        give([output.url[:22], len(output.read()) > 50])
    """
    assert python_2(lines, path=picture) == ["data:image/png;base64,", True]


def test_a_webhook_is_told_and_the_secret_can_be_fetched(python_2, receiver, server):
    lines = """
        client.run('local/echo', input={'text': 'hi'}, webhook=url,
                   webhook_events_filter=['completed'])
        give(client.webhooks.default.secret.get().key)
    """
    secret = python_2(lines, url=receiver.url)
    assert secret == server.service.webhooks.secret.newest()
    (message,) = receiver.until(lambda messages: len(messages) == 1)
    assert message.prediction["output"] == "hi"


def test_lists_are_walked_over_their_pages(python_2):
    lines = """
        for number in range(120):
            client.predictions.create(version='local/echo', input={'text': f'walk {number}'})
        seen = {each.input.get('text') for each in client.predictions.list()}
        give([number for number in range(120) if f'walk {number}' not in seen])
    """
    assert python_2(lines) == []


def test_predictions_are_canceled(python_2):
    lines = """
        made = client.models.predictions.create(
            model_owner='local', model_name='never-ends', input={})
        give(client.predictions.cancel(prediction_id=made.id).status)
    """
    assert python_2(lines) == "canceled"


def test_models_versions_collections_and_search_are_read(python_2):
    lines = """
        model = client.models.get(model_owner='local', model_name='echo')
        version = client.models.versions.get(
            model_owner='local', model_name='echo', version_id=model.latest_version.id)
        versions = list(client.models.versions.list(model_owner='local', model_name='echo'))
        found = list(client.models.search(body='echo'))
        examples = list(client.models.examples.list(model_owner='local', model_name='echo'))
        collections = list(client.collections.list())
        one = client.collections.get(collection_slug=collections[0].slug)
        searched = client.search(query='echo')
        give([model.name, version.id == versions[0].id, found[0].name, len(examples) >= 0,
              len(one.models) > 0, searched.models[0].model.name])
    """
    assert python_2(lines) == ["echo", True, "echo", True, True, "echo"]


def test_files_are_kept_read_and_deleted(python_2):
    lines = """
        made = client.files.create(
            content=b'hello', filename='hello.txt', type='text/plain', metadata={'answer': 42})
        read = client.files.get(file_id=made.id)
        listed = [each.id for each in client.files.list()]
        client.files.delete(file_id=made.id)
        try:
            client.files.get(file_id=made.id)
        except replicate.NotFoundError as error:
            give([made.size, read.name, read.metadata, made.id in listed, error.status_code])
    """
    size, name, metadata, listed, status = python_2(lines)
    assert (size, name, listed, status) == (5, "hello.txt", True, 404)
    assert metadata == {"answer": "42"}  # as a field of the form, which has no type


def test_the_account_and_the_hardware_are_read(python_2):
    lines = "give([client.account.get().name, client.hardware.list()[0].sku])"
    assert all(python_2(lines))


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("client.predictions.get(prediction_id='nothing')", "NotFoundError"),
        ("client.models.get(model_owner='no', model_name='body')", "NotFoundError"),
        ("client.run('local/echo', input={})", "UnprocessableEntityError"),
        ("client.predictions.create(version='latest', input={})", "UnprocessableEntityError"),
        ("client.search(query='')", "BadRequestError"),
    ],
)
def test_a_refusal_is_an_error_of_its_class_with_a_reason(python_2, call, kind):
    lines = f"""
        try:
            {call}
        except replicate.APIStatusError as error:
            give([type(error).__name__, error.body['detail']])
    """
    given, detail = python_2(lines)
    assert given == kind and detail
