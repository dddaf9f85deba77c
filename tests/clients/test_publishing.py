"""Models made, described, pushed to and deleted through the official clients."""

from __future__ import annotations

import replicate

from model_registry.published import Published


def saying(says):
    return f"def Predictor(text: str) -> str:\n    return {says!r} + text\n"


def pushed(server, tmp_path, name, code):
    """A version pushed as `app.py push` does it, beside the running server."""
    folder = tmp_path / "pushed"
    folder.mkdir(exist_ok=True)
    (folder / "cog.yaml").write_text("predict: predict.py:Predictor")
    (folder / "predict.py").write_text(code)
    data = server.service.catalog.published.records.root.parent
    return Published(data).push(folder, name)[0].latest.id


def test_python_1_makes_a_model_and_runs_each_of_its_versions(server, tmp_path):
    client = replicate.Client(api_token="any", base_url=server.url)
    made = client.models.create("clients", "one", visibility="private", hardware="cpu")
    assert made.latest_version is None and made.visibility == "private"
    first, second = (pushed(server, tmp_path, "clients/one", saying(each)) for each in ("a ", "b "))
    assert client.run(f"clients/one:{first}", input={"text": "x"}) == "a x"
    assert client.run("clients/one", input={"text": "x"}) == "b x"
    model = client.models.get("clients/one")
    assert [each.id for each in model.versions.list()] == [second, first]
    for version in (first, second):
        model.versions.delete(version)
    assert client.models.get("clients/one").latest_version is None
    client._client.close()


def test_python_2_makes_describes_and_deletes_a_model(python_2, server, tmp_path):
    named = {"model_owner": "clients", "model_name": "two"}
    lines = """
        client.models.create(owner='clients', name='two', visibility='private', hardware='cpu')
        client.models.update(**named, description='Says.', readme='# Two')
        give(client.models.get(**named).latest_version)
    """
    assert python_2(lines, named=named) is None
    version = pushed(server, tmp_path, "clients/two", saying("c "))
    lines = """
        found = client.models.get(**named)
        readme = client.models.readme.get(**named)
        client.models.versions.delete(**named, version_id=found.latest_version.id)
        client.models.delete(**named)
        left = [each.name for each in client.models.list()]
        give([found.latest_version.id, found.description, readme, 'two' in left])
    """
    assert python_2(lines, named=named) == [version, "Says.", "# Two", False]


def test_node_makes_a_model_that_has_no_version_yet(node):
    lines = """
        const made = await replicate.models.create('clients', 'three',
            {visibility: 'private', hardware: 'cpu'});
        try {
            await replicate.models.create('clients', 'three',
                {visibility: 'private', hardware: 'cpu'});
        } catch (error) {
            give([made.latest_version, error.response.status]);
        }
    """
    assert node(lines) == [None, 409]
