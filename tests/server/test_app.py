"""The REST API: what it answers, and whom it refuses."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from helpers.serving import dark, picture, problem, running
from helpers.standin import write_model
from undim.cli import main
from undim.enhancer import Enhancer

TOKEN = "a token"
FORM = {"content-type": "multipart/form-data; boundary=x"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "free.onnx")


@pytest.fixture(scope="module")
def enhancers(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Enhancer]:
    folder = tmp_path_factory.mktemp("model")
    shared = write_model(folder / "shared.onnx", channels=3)
    levels = write_model(folder / "levels.onnx", levels=6)
    return {"free": Enhancer(model), "shared": Enhancer(shared), "levels": Enhancer(levels)}


@pytest.fixture(scope="module")
def api(enhancers: dict[str, Enhancer]) -> Iterator[httpx.Client]:
    with running(enhancers) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_enhance_sends_the_bytes_of_the_command_line(
    api: httpx.Client, model: Path, tmp_path: Path, format: str
) -> None:
    source, target = tmp_path / f"night.{format.lower()}", tmp_path / f"bright.{format.lower()}"
    exif = Image.Exif()
    exif[0x010E] = "a night"
    source.write_bytes(picture(format, exif=exif.tobytes()))
    flags = ["--strength", "0.8", "--denoise", "0.5"]
    assert (
        CliRunner()
        .invoke(main, ["enhance", str(source), "-o", str(target), "--model", str(model), *flags])
        .exit_code
        == 0
    )
    raw = api.post(
        "/enhance", params={"strength": 0.8, "denoise": 0.5}, content=source.read_bytes()
    )
    form = api.post(
        "/enhance",
        params={"strength": 0.8, "denoise": 0.5},
        files={"file": ("a.bin", source.read_bytes())},
    )
    assert raw.content == form.content == target.read_bytes()
    assert raw.headers["content-type"] == f"image/{format.lower()}"
    assert Image.open(io.BytesIO(raw.content)).getexif()[0x010E] == "a night"


def test_format_quality_and_model_are_the_callers_choice(
    api: httpx.Client, enhancers: dict[str, Enhancer]
) -> None:
    image = dark()
    response = api.post("/enhance?model=shared&format=png", content=picture("PNG", image))
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(response.content))), enhancers["shared"](image)
    )
    small, large = (api.post(f"/enhance?quality={q}", content=picture()).content for q in (20, 95))
    assert len(small) < len(large)


@pytest.mark.parametrize(("name", "shape"), [("free", (24, 48, 64)), ("levels", (1, 6, 12, 16))])
def test_curves_are_those_of_the_enhancer(
    api: httpx.Client, enhancers: dict[str, Enhancer], name: str, shape: tuple[int, ...]
) -> None:
    image = dark()
    response = api.post(f"/curves?model={name}", content=picture("PNG", image))
    maps = np.load(io.BytesIO(response.content))
    assert maps.shape == shape
    np.testing.assert_array_equal(maps, enhancers[name].curve_maps(image))
    assert response.headers["undim-iterations"] == "8"


def test_models_are_listed_with_the_default_first(api: httpx.Client) -> None:
    models = api.get("/models").json()
    assert [model["name"] for model in models] == ["free", "shared", "levels"]
    assert {(model["iterations"], model["maps_size"]) for model in models} == {(8, 64)}


def test_health_and_readiness(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "alive"}
    assert api.get("/readyz").json() == {"status": "ready"}


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/assets/page.js", "/healthz", "/models", "/nothing"]
)
def test_head_is_get_without_the_body(api: httpx.Client, path: str) -> None:
    head, get = api.head(path), api.get(path)
    assert head.content == b""
    assert head.status_code == get.status_code
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


def test_metrics_count_the_answers(api: httpx.Client) -> None:
    def counted() -> dict[tuple[str, ...], float]:
        families = text_string_to_metric_families(api.get("/metrics").text)
        samples = (sample for family in families for sample in family.samples)
        return {(sample.name, *sample.labels.values()): sample.value for sample in samples}

    before = counted()
    api.post("/enhance", content=b"no picture")
    api.post("/enhance", content=b"no picture")
    after = counted()
    key = ("undim_requests_total", "/enhance", "415")
    assert after[key] == before.get(key, 0) + 2
    assert (
        after["undim_request_seconds_bucket", "/enhance", "+Inf"]
        >= after["undim_request_seconds_bucket", "/enhance", "60.0"]
    )
    assert after["undim_places_taken",] == after["undim_upload_bytes",] == 0


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("strength=1.6", "strength"),
        ("strength=nan", "strength"),
        ("denoise=2", "denoise"),
        ("model=../../etc/passwd", "model"),
        ("format=exe", "format"),
        ("quality=0", "quality"),
        ("url=http://example.org/a.jpg", "url"),
    ],
)
def test_a_wrong_query_is_refused_by_name(api: httpx.Client, query: str, names: str) -> None:
    assert names in problem(api.post(f"/enhance?{query}", content=picture()), "invalid-request")


@pytest.mark.parametrize(
    ("content", "headers", "kind"),
    [
        (b"", {}, "invalid-request"),
        (b"GIF89a and so on", {}, "not-a-picture"),
        (picture()[:400], {}, "not-a-picture"),
        (picture(), {"content-type": "multipart/form-data"}, "invalid-request"),
        (picture(), FORM, "invalid-request"),
        (b"--x\r\n\r\none\r\n--x\r\n\r\ntwo\r\n--x--\r\n", FORM, "invalid-request"),
        (b"--x\r\n\r\nhalf", FORM, "invalid-request"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_picture_is_refused(
    api: httpx.Client, content: bytes, headers: dict[str, str], kind: str
) -> None:
    problem(api.post("/enhance", content=content, headers=headers), kind)


def test_a_second_part_ends_the_reading_of_a_form(api: httpx.Client) -> None:
    body = b"--x\r\n\r\none\r\n--x\r\n\r\ntwo\r\n--x and what no form says"
    assert "more than one part" in problem(
        api.post("/enhance", content=body, headers=FORM), "invalid-request"
    )


class Faulty(Enhancer):
    def curve_maps(self, image: np.ndarray) -> np.ndarray:
        raise ZeroDivisionError("a bug")


def test_a_fault_is_a_problem_and_is_logged(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running({"m": Faulty(model)}) as address:
        response = httpx.post(f"{address}/curves", content=picture())
        assert "fault of the server" in problem(response, "internal")
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert (
            'undim_requests_total{route="/curves",status="500"} 1\n'
            in httpx.get(f"{address}/metrics").text
        )
    assert "ZeroDivisionError: a bug" in caplog.text


def test_unknown_addresses_and_methods(api: httpx.Client) -> None:
    problem(api.get("/nothing"), "not-found")
    problem(api.get("/assets/../../server/app.py"), "not-found")
    problem(api.get("/assets/%2e%2e/%2e%2e/errors.py"), "not-found")
    response = api.get("/enhance")
    problem(response, "method-not-allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "/docs", "/assets/page.js", "/models", "/nothing"])
def test_every_answer_carries_the_security_headers(api: httpx.Client, path: str) -> None:
    headers = api.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_pages_name_no_other_host(api: httpx.Client, path: str) -> None:
    assert "://" not in api.get(path).text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_sites_page_may_not_post(api: httpx.Client, headers: dict[str, str]) -> None:
    problem(api.post("/enhance", content=picture(), headers=headers), "cross-site")


def test_the_servers_own_page_may_post(api: httpx.Client) -> None:
    headers = {"origin": str(api.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert api.post("/enhance", content=picture(), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:1", True), ("localhost", True), ("[::1]:8000", True), ("Photos.Example", True),
        ("evil.example", False), ("localhost.evil.example", False), ("", False), ("[:", False),
    ],
)  # fmt: skip
def test_only_known_names_are_answered(
    enhancers: dict[str, Enhancer], host: str, known: bool
) -> None:
    with running(enhancers, hosts=["photos.EXAMPLE"]) as address:
        response = httpx.get(f"{address}/healthz", headers={"host": host})
        if known:
            assert response.status_code == 200
        else:
            problem(response, "wrong-host")


def test_a_token_guards_the_api_and_not_the_page(enhancers: dict[str, Enhancer]) -> None:
    with running(enhancers, token=TOKEN) as address, httpx.Client(base_url=address) as client:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
            for response in (
                client.post("/enhance", content=picture(), headers=headers),
                client.post("/curves", content=picture(), headers=headers),
                client.get("/models", headers=headers),
                client.get("/metrics", headers=headers),
            ):
                problem(response, "unauthorized")
                assert response.headers["www-authenticate"] == "Bearer"
        right = {"authorization": f"Bearer {TOKEN}"}
        assert client.post("/enhance", content=picture(), headers=right).status_code == 200
        assert all(
            client.get(path).status_code == 200 for path in ("/", "/healthz", "/readyz", "/docs")
        )


def test_nothing_is_written_to_the_disk_or_the_log(
    enhancers: dict[str, Enhancer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    large = picture(
        "BMP", dark(900, 900)
    )  # over a megabyte, from where Starlette's form parser would use a file
    written: list[str] = []
    watching = True

    def watch(event: str, args: tuple[object, ...]) -> None:
        if watching and event == "open" and isinstance(args[0], str) and "r" not in str(args[1]):
            written.append(str(args[0]))

    sys.addaudithook(watch)  # stays for the life of the process
    with running(enhancers) as address:
        files = {"file": ("secret.bmp", large)}
        response = httpx.post(f"{address}/enhance?format=bmp", files=files, timeout=60)
    watching = False
    assert response.status_code == 200
    assert written == []
    assert list(tmp_path.iterdir()) == []
    assert "secret" not in "".join(capfd.readouterr())
