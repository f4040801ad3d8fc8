"""Receipts are read out of pictures as phones take them, and nothing else is."""

import io
from pathlib import Path

import pytest
import qrcode
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from mobile_stub.read_picture import FILE_BYTES_MAX, NoQrFound, PictureUnusable, read_picture
from receipts.qr_image import qr_picture

TEXT = "MB1:" + "".join("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"[at * 7 % 45] for at in range(216))


@pytest.fixture
def paper() -> Image.Image:
    """A QR on a grey table."""
    page = Image.new("L", (700, 700), 200)
    page.paste(qr_picture(TEXT, module_px=8).convert("L"), (120, 140))
    return page


def saved(picture: Image.Image, path: Path) -> Path:
    picture.save(path)
    return path


class TestReadPicture:
    @pytest.mark.parametrize("form", ["png", "jpg", "gif", "webp"])
    def test_reads_every_usual_form(self, paper: Image.Image, tmp_path: Path, form: str) -> None:
        assert read_picture(saved(paper, tmp_path / f"p.{form}")) == TEXT

    @pytest.mark.parametrize("degrees", [0, 7, 45, 90, 133, 180, 270])
    def test_reads_it_turned(self, paper: Image.Image, tmp_path: Path, degrees: int) -> None:
        turned = paper.rotate(degrees, expand=True, fillcolor=200, resample=Image.Resampling.BICUBIC)
        assert read_picture(saved(turned, tmp_path / "p.png")) == TEXT

    def test_reads_it_blurred(self, paper: Image.Image, tmp_path: Path) -> None:
        assert read_picture(saved(paper.filter(ImageFilter.GaussianBlur(2)), tmp_path / "p.png")) == TEXT

    def test_reads_it_pale(self, paper: Image.Image, tmp_path: Path) -> None:
        assert read_picture(saved(ImageEnhance.Contrast(paper).enhance(0.15), tmp_path / "p.png")) == TEXT

    def test_reads_it_inverted(self, paper: Image.Image, tmp_path: Path) -> None:
        assert read_picture(saved(ImageOps.invert(paper), tmp_path / "p.png")) == TEXT

    def test_reads_it_small(self, tmp_path: Path) -> None:
        assert read_picture(saved(qr_picture(TEXT, module_px=2), tmp_path / "p.png")) == TEXT

    def test_reads_it_through_transparency(self, tmp_path: Path) -> None:
        code = qr_picture(TEXT, module_px=6).convert("L")
        clear = Image.merge("LA", (Image.new("L", code.size, 0), ImageOps.invert(code)))
        assert read_picture(saved(clear, tmp_path / "p.png")) == TEXT

    def test_prefers_the_receipt_among_several_codes(self, paper: Image.Image, tmp_path: Path) -> None:
        other = qrcode.make("https://example.org/", box_size=4).get_image().convert("L")
        wide = Image.new("L", (1100, 700), 200)
        wide.paste(other, (20, 20))
        wide.paste(paper, (400, 0))
        assert read_picture(saved(wide, tmp_path / "p.png")) == TEXT

    def test_says_that_there_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(NoQrFound):
            read_picture(saved(Image.new("L", (300, 300), 128), tmp_path / "p.png"))

    @pytest.mark.parametrize("content", [b"", b"MB1:", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"GIF89a", b"%PDF-1.4"])
    def test_refuses_what_is_no_picture(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "p.png"
        path.write_bytes(content)
        with pytest.raises(PictureUnusable):
            read_picture(path)

    def test_refuses_half_a_picture(self, paper: Image.Image, tmp_path: Path) -> None:
        whole = io.BytesIO()
        paper.save(whole, "PNG")
        path = tmp_path / "p.png"
        path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
        with pytest.raises(PictureUnusable):
            read_picture(path)

    def test_refuses_a_bomb(self, tmp_path: Path) -> None:
        with pytest.raises(PictureUnusable):
            read_picture(saved(Image.new("1", (20_000, 20_000)), tmp_path / "p.png"))

    def test_refuses_a_file_beyond_the_limit_and_one_that_is_not_there(self, tmp_path: Path) -> None:
        path = tmp_path / "p.png"
        with pytest.raises(PictureUnusable):
            read_picture(path)
        with path.open("wb") as file:
            file.truncate(FILE_BYTES_MAX + 1)
        with pytest.raises(PictureUnusable):
            read_picture(path)
        with pytest.raises(PictureUnusable):
            read_picture(tmp_path)
