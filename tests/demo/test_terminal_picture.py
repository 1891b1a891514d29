import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from demo import terminal_picture

SHOWS = r"print('\x1b[32mgreen\x1b[0m'); print('begun', end='\r'); print('ended'); print('x' * 90)"


def test_terminal_picture_draws_the_last_state_of_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "shown.svg"
    command = f'{sys.executable} -c "{SHOWS}"'
    monkeypatch.setattr(sys, "argv", ["terminal_picture", str(picture), command])
    terminal_picture.main()
    drawn = ET.fromstring(picture.read_text(encoding="utf-8"))  # noqa: S314  # our own file
    texts = [element.text or "" for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    shown = [text.replace("\N{NO-BREAK SPACE}", " ").strip() for text in texts]
    assert "green" in shown
    assert "ended" in shown
    assert "begun" not in shown
    assert "x" * 80 in shown  # a longer line is broken, as a terminal does
    assert "x" * 10 in shown
