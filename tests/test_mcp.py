"""The questions as tools for agents, asked by the official client."""

from __future__ import annotations

import ast
import asyncio
import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from vit_demo.api.questions import QUESTIONS
from vit_demo.benchmark.server import APP, running
from vit_demo.benchmark.visitor import run

mcp = pytest.importorskip("mcp", reason="the extra vit-demo[mcp] is not installed")
DOG, DIGITS = Path(__file__).parents[1] / "examples" / "dog.jpg", "vit-demo/digits"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with running(APP, tmp_path_factory.mktemp("app")) as (address, _):
        yield address


def with_session(url: str, ask):
    """What `ask(session)` gives in a session of an agent."""
    from mcp.client.streamable_http import streamablehttp_client

    async def session_of_an_agent():
        async with (
            streamablehttp_client(f"{url}gradio_api/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await ask(session)

    return run(asyncio.wait_for(session_of_an_agent(), 120))


def test_every_question_is_a_tool_with_a_description_and_a_schema(url):
    tools = with_session(url, lambda session: session.list_tools()).tools
    assert {tool.name for tool in tools} == set(QUESTIONS)
    by_name = {tool.name: tool for tool in tools}
    assert all(len(tool.description) > 30 for tool in tools)
    schema = by_name["attention"].inputSchema
    assert schema["properties"]["picture"]["type"] == "string"  # an address, or the picture itself
    assert schema["properties"]["layer"]["type"] == "integer"
    assert "1" in schema["properties"]["layer"]["description"]
    assert "picture" in schema["required"]
    assert "model" not in schema["required"]


def test_an_agent_sends_a_picture_reads_a_prediction_and_gets_a_map(url):
    picture = "data:image/jpeg;base64," + base64.b64encode(DOG.read_bytes()).decode()

    async def ask(session):
        found = await session.call_tool("predict", {"picture": picture, "model": DIGITS, "top": 2})
        maps = await session.call_tool("attention", {"picture": picture, "model": DIGITS, "layer": 1})
        return found, maps

    found, maps = with_session(url, ask)
    assert not found.isError
    assert len(ast.literal_eval(found.content[0].text)["labels"]) == 2
    (image,) = [part for part in maps.content if part.type == "image"]
    with Image.open(io.BytesIO(base64.b64decode(image.data))) as sheet:
        assert sheet.width > 100


def test_a_mistake_comes_back_as_a_sentence(url):
    async def ask(session):
        return await session.call_tool("patch_filters", {"model": "/etc"})

    answer = with_session(url, ask)
    assert answer.isError
    assert "not among the models offered" in answer.content[0].text
