from __future__ import annotations

import base64
import hashlib
import io
import os
import time
from urllib.parse import quote

import pytest
from PIL import Image

from api.predictions import MAX_INLINE


@pytest.fixture(scope="module")
def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()


def upload(http, content=b"hello", name="hello.txt", content_type="text/plain", **fields):
    return http.post("files", files={"content": (name, content, content_type)}, data=fields)


ONE = {"content": b"x"}


# --- uploads


def test_an_upload_is_described(http, server):
    response = upload(http)
    file = response.json()
    assert response.status_code == 201
    assert file["name"] == "hello.txt"
    assert file["content_type"] == "text/plain"
    assert file["size"] == 5
    assert file["etag"] == file["checksums"]["md5"] == hashlib.md5(b"hello").hexdigest()
    assert file["checksums"]["sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert file["metadata"] == {}
    assert file["created_at"] < file["expires_at"]
    assert file["urls"] == {"get": f"{server.url}/v1/files/{file['id']}"}
    assert http.get(file["urls"]["get"]).json() == file
    assert http.get("files").json()["results"][0] == file


def test_metadata_comes_as_a_field_of_json(http):
    assert upload(http, metadata='{"a": 1}').json()["metadata"] == {"a": 1}


def test_metadata_comes_as_a_file_part_as_node_sends_it(http):
    parts = {
        "content": ("blob_1700000000000", b"x", "application/octet-stream"),
        "metadata": ("blob", b'{"a": 1}', "application/json"),
    }
    assert http.post("files", files=parts).json()["metadata"] == {"a": 1}


def test_metadata_comes_as_bracketed_fields(http):
    given = {"metadata[a]": "1", "metadata[b][c]": "2"}
    assert upload(http, **given).json()["metadata"] == {"a": "1", "b": {"c": "2"}}


def test_name_and_type_fields_win_over_those_of_the_part(http, png):
    file = upload(http, png, "upload", "application/octet-stream", filename="a.bin", type="a/b")
    assert file.json()["name"] == "a.bin"
    assert file.json()["content_type"] == "a/b"


def test_a_type_that_says_nothing_is_found_in_the_bytes(http, png):
    file = upload(http, png, "upload", "application/octet-stream").json()
    assert (file["name"], file["content_type"]) == ("upload", "image/png")


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\x\\passwd", "/etc/passwd"])
def test_a_name_loses_its_directories(http, name):
    assert upload(http, name=name).json()["name"] == "passwd"


def test_an_empty_file_is_a_file(http):
    file = upload(http, b"").json()
    assert file["size"] == 0
    assert fetch(http, file).content == b""


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"files": {"other": b"x"}}, "content"),
        ({"json": {"content": "x"}}, "content"),
        ({"data": {"content": "x"}}, "content"),
        ({"files": {"content": b"x", "metadata": b"[1]"}}, "metadata"),
        ({"files": {"content": b"x", "metadata": b"{"}}, "metadata"),
        ({"files": ONE, "data": {"metadata[a]": "", "metadata[a][b]": ""}}, "metadata"),
    ],
)  # fmt: skip
def test_an_upload_of_the_wrong_shape_is_refused(http, parts, field):
    response = http.post("files", **parts)
    assert response.status_code == 422
    assert response.json()["invalid_fields"][0]["field"] == field


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_broken_form_is_refused(http, content_type):
    response = http.post("files", content=b"--y\r\n", headers={"Content-Type": content_type})
    assert response.status_code in (400, 422)
    assert response.json()["detail"]


def test_a_form_in_letters_that_are_none_is_refused(http):
    body = b'--x\r\nContent-Disposition: form-data; name="type"\r\n\r\nb\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x; charset=undefined"}
    response = http.post("files", content=body, headers=headers)
    assert response.status_code == 400 and "form cannot be read" in response.json()["detail"]


def test_a_forms_type_may_be_written_in_capitals(http):
    body = (
        b'--x\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\nb\r\n--x--\r\n'
    )
    headers = {"Content-Type": "Multipart/Form-Data; boundary=x"}
    assert http.post("files", content=body, headers=headers).json()["size"] == 1


def test_a_file_over_the_limit_is_refused(http, server):
    before = http.get("files").json()["results"]
    response = upload(http, bytes(server.settings.max_file_size + 1))
    assert response.status_code == 413
    assert "20 MB" in response.json()["detail"]
    assert http.get("files").json()["results"] == before


def test_a_deleted_file_is_gone(http):
    file = upload(http).json()
    response = http.delete(f"files/{file['id']}")
    assert (response.status_code, response.content) == (204, b"")
    for answer in (http.delete(f"files/{file['id']}"), http.get(f"files/{file['id']}")):
        assert answer.status_code == 404
        assert answer.json()["detail"] == "File not found"
    assert fetch(http, file).status_code == 404


def fetch(http, file, **headers):
    return http.get(f"outputs/{file['id']}/{quote(file['name'])}", headers=headers)


# --- signed downloads


def signed(server, file_id, expiry, owner="me"):
    signature = server.service.signer.sign(f"{owner} {file_id} {expiry}")
    return {"owner": owner, "expiry": expiry, "signature": signature}


def test_a_signed_download_gives_the_bytes(http, server):
    file = upload(http).json()
    query = signed(server, file["id"], int(time.time()) + 60)
    response = http.get(f"files/{file['id']}/download", params=query)
    assert response.content == b"hello"
    assert response.headers["content-type"].startswith("text/plain")


def test_an_expired_or_foreign_signature_is_a_404(http, server):
    file, soon = upload(http).json(), int(time.time()) + 60
    good = signed(server, file["id"], soon)
    for bad in (
        {},
        signed(server, file["id"], soon - 120),
        signed(server, "other", soon),
        {**good, "owner": "you"},
        {**good, "expiry": soon + 1},
        {**good, "expiry": "²"},
        {**good, "signature": "ä"},
    ):
        assert http.get(f"files/{file['id']}/download", params=bad).status_code == 404


# --- outputs


def test_an_output_file_opens_without_a_token_under_its_own_name(http):
    prediction = http.until(http.create("local/files", {}))
    assert prediction["status"] == "succeeded", prediction
    for address in prediction["output"]:
        response = http.get(address)
        assert response.status_code == 200
        assert int(response.headers["content-length"]) == len(response.content) > 0
        assert "." in address.rpartition("/")[2]


def test_the_type_of_an_output_is_what_it_is(http, png):
    image = upload(http, png, "red.png", "image/png").json()
    prediction = http.until(http.create("local/image-in-out", {"image": image["urls"]["get"]}))
    assert prediction["status"] == "succeeded", prediction
    assert prediction["input"] == {"image": image["urls"]["get"]}
    response = http.get(prediction["output"])
    assert response.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(response.content)).size == (8, 8)


def test_a_part_of_a_file_can_be_asked_for(http):
    file = upload(http, b"0123456789").json()
    response = fetch(http, file, Range="bytes=2-4")
    assert (response.status_code, response.content) == (206, b"234")
    assert response.headers["content-range"] == "bytes 2-4/10"
    assert fetch(http, file, Range="bytes=-3").content == b"789"
    assert fetch(http, file, Range="bytes=20-").status_code == 416
    assert fetch(http, file).headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("asked", ["bytes=abc", "bytes=", "items=0-1", "x", "bytes=5-3", "bytes=1"])
def test_a_range_that_cannot_be_read_is_none(http, asked):
    file = upload(http, b"0123456789").json()
    response = fetch(http, file, Range=asked)
    assert (response.status_code, response.content) == (200, b"0123456789")


def test_head_tells_the_length_without_the_bytes(http):
    file = upload(http, b"0123456789").json()
    response = http.head(f"outputs/{file['id']}/hello.txt")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == "10"


def test_a_file_answers_to_its_own_name_only(http):
    file = upload(http).json()
    assert http.get(f"outputs/{file['id']}/other.txt").status_code == 404
    assert http.get("outputs/none/hello.txt").status_code == 404


@pytest.mark.parametrize("name", ["späße & mehr.txt", "100%.txt", "a#b?c.txt"])
def test_a_name_of_any_letters_survives_its_address(http, name):
    file = upload(http, name=name).json()
    assert file["name"] == name
    assert fetch(http, file).content == b"hello"


@pytest.mark.parametrize("content_type", ["text/html\r\nSet-Cookie: a=b", "x", "ä/ö"])
def test_a_type_that_is_none_never_becomes_a_header(http, content_type):
    response = fetch(http, upload(http, type=content_type).json())
    assert response.headers["content-type"] == "application/octet-stream"
    assert "set-cookie" not in response.headers


def test_html_from_a_model_cannot_act_as_the_page(http):
    response = fetch(http, upload(http, b"<script>", "a.html", "text/html").json())
    assert response.headers["content-security-policy"] == "sandbox"
    assert response.headers["x-content-type-options"] == "nosniff"


# --- files as inputs


def test_a_data_uri_is_an_input_and_is_shown_as_a_file(http, png):
    uri = "data:image/png;base64," + base64.b64encode(png).decode()
    prediction = http.until(http.create("local/image-in-out", {"image": uri}))
    assert prediction["status"] == "succeeded", prediction
    shown = prediction["input"]["image"]
    assert http.get(shown).json()["content_type"] == "image/png"
    again = http.until(http.create("local/image-in-out", {"image": shown}))
    assert again["status"] == "succeeded", again


def test_an_output_is_an_input_whatever_the_host_is_called(http, png):
    image = upload(http, png, "red.png", "image/png").json()
    first = http.until(http.create("local/image-in-out", {"image": image["urls"]["get"]}))
    moved = first["output"].replace("127.0.0.1", "somewhere.else")
    second = http.until(http.create("local/image-in-out", {"image": moved}))
    assert second["status"] == "succeeded", second


def test_held_answers_hold_small_files_themselves(http, png):
    image = upload(http, png, "red.png", "image/png").json()
    held = http.run("local/image-in-out", {"image": image["urls"]["get"]})
    head, _, body = held["output"].partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(body))).size == (8, 8)
    later = http.get(f"predictions/{held['id']}").json()
    assert later["output"].startswith("http://")


def test_large_files_are_named_even_in_held_answers(http):
    noise = io.BytesIO()
    Image.frombytes("RGB", (1900, 1900), os.urandom(1900 * 1900 * 3)).save(noise, "BMP")
    image = upload(http, noise.getvalue(), "noise.bmp", "image/bmp").json()
    held = http.run("local/image-in-out", {"image": image["urls"]["get"]})
    assert held["output"].startswith("http://")
    assert int(http.head(held["output"]).headers["content-length"]) > MAX_INLINE


def test_files_are_shown_wherever_they_are_in_an_output(http):
    held = http.run("local/every-output", {})["output"]
    later = http.until(http.create("local/every-output", {}))["output"]
    assert (held["text"], held["details"]) == (later["text"], later["details"])
    assert held["picture"].startswith("data:image/png;base64,")
    assert held["clips"][0].startswith("data:audio/wav;base64,")
    assert http.get(later["picture"]).headers["content-type"] == "image/png"
    assert http.get(later["clips"][0]).headers["content-type"] == "audio/wav"


def test_an_upload_that_does_not_exist_is_no_input(http, server):
    address = f"{server.url}/v1/files/{'a' * 26}"
    response = http.post(
        "models/local/image-in-out/predictions", json={"input": {"image": address}}
    )
    assert response.status_code == 422
    assert response.json()["invalid_fields"][0]["field"] == "input.image"


def test_uploads_are_walked_page_by_page(http):
    made = [upload(http, name=f"{n}.txt").json()["id"] for n in range(102)]
    first = http.get("files").json()
    assert [each["id"] for each in first["results"]] == made[:-101:-1]
    second = http.get(first["next"]).json()
    assert [each["id"] for each in second["results"]][:2] == made[1::-1]
    assert http.get(second["previous"]).json()["results"] == first["results"]
