"""Workbooks that nobody has filled in: broken, without an end, packed tight. Each is answered."""

from __future__ import annotations

import io
import zipfile

import pytest

from tests.conftest import Backend
from tests.factories import make_desk

pytestmark = pytest.mark.anyio

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
HEAD = '<row r="1"><c r="A1" t="inlineStr"><is><t>x</t></is></c></row>'
PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
    f'<Override PartName="/xl/workbook.xml" ContentType="{TYPE}.sheet.main+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="r" Type="{RELS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELS}">'
    '<sheets><sheet name="a" sheetId="1" r:id="r"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="r" Type="{RELS}/worksheet" Target="worksheets/a.xml"/></Relationships>',
}


def workbook(rows: str = "", **parts: str) -> bytes:
    """A workbook with these rows of its only sheet; `parts` replace or add files of the package."""
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{HEAD}{rows}</sheetData></worksheet>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in {**PARTS, "xl/worksheets/a.xml": sheet, **parts}.items():
            packed.writestr(name, text)
    return out.getvalue()


async def test_a_workbook_with_anything_wrong_in_it_is_refused_and_none_goes_on_for_ever(
    backend: Backend,
) -> None:
    hostile = {
        "far down": workbook('<row r="99999999999"><c><v>1</v></c></row>'),
        "no number": workbook('<row r="2"><c r="A2"><v>x</v></c></row>'),
        "no words": workbook('<row r="2"><c r="A2" t="s"><v>9</v></c></row>'),
        "no XML": workbook(**{"xl/worksheets/a.xml": "<worksheet"}),
        "no sheet": workbook(**{"xl/workbook.xml": f'<workbook xmlns="{MAIN}"><sheets/></workbook>'}),
        "no package": b"junk" * 10 + b"PK\5\6" + bytes(4) + b"\1\0\1\0" + b"\x2e" + bytes(9),
    }
    async with make_desk(backend) as desk:
        for name, table in hostile.items():
            headers = {"Content-Type": "text/csv"}
            answer = await desk.api(
                "POST", "/customers/import", by="AM001", content=table, headers=headers, expect=422
            )
            assert "hint" in answer.json(), name
        bomb = workbook(bomb="0" * 70_000_000)
        await desk.api("POST", "/customers/import", by="AM001", content=bomb, headers=headers, expect=413)
