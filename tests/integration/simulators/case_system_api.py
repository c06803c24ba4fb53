"""A tiny honest gateway as a case system sees it (case-system.md), with its own notes of every call."""

import hashlib
import json
from dataclasses import dataclass, field

from aiohttp import web

from gateway.simulators.serving import serving

TOKEN = "bærer-token".encode().hex()


@dataclass
class Message:
    documents: dict
    state: str = "READY"
    confirmed: dict | None = None
    failures: int = 0


@dataclass
class CaseSystemApi:
    """``moods`` maps a call's kind to what befalls its next ones: a status, "lose-answer" or "short"."""

    messages: dict = field(default_factory=dict)
    moods: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)
    hook: dict | None = None
    allows: object = TOKEN.__eq__

    def add(self, message_id, **documents):
        self.messages[message_id] = Message({name.replace("_", "."): content for name, content in documents.items()})

    def lapse(self):
        """Every claim runs out."""
        for message in self.messages.values():
            message.state = "READY" if message.state == "OFFERED" else message.state

    def serve(self):
        base = "/api/v1/messages"
        routes = [
            web.get(base, self.doing("list", self.list)),
            web.post(f"{base}/claim", self.doing("claim", self.claim)),
            web.get(f"{base}/{{id}}", self.doing("head", self.head)),
            web.get(f"{base}/{{id}}/documents/{{name}}", self.doing("document", self.document)),
            web.post(f"{base}/{{id}}/confirm", self.doing("confirm", self.confirm)),
            web.post(f"{base}/{{id}}/reject", self.doing("reject", self.reject)),
            web.put("/api/v1/webhook", self.doing("webhook", self.webhook)),
        ]
        return serving(routes)

    def doing(self, kind, handler):
        async def handle(request):
            body = await request.json() if request.can_read_body else None
            self.calls.append((kind, request.match_info.get("id"), body))
            if not self.allows(request.headers["Authorization"].removeprefix("Bearer ")):
                return problem(401, "unauthenticated")
            moods = self.moods.get(kind, [])
            mood = moods.pop(0) if moods else None
            if isinstance(mood, int):
                return problem(mood, "simulated")
            answer = await handler(request, body)
            if mood == "lose-answer":
                request.transport.abort()
            if mood == "short":
                answer.body = answer.body[:-1]
            return answer

        return handle

    async def list(self, request, _):
        state = request.query["state"]
        return web.json_response(
            {"messages": [{"id": key} for key, one in self.messages.items() if one.state == state], "next": None}
        )

    async def claim(self, _, body):
        assert 1 <= body["max"] <= 50
        assert 60 <= body["leaseSeconds"] <= 3600
        ids = [key for key, one in self.messages.items() if one.state == "READY"][: body["max"]]
        for key in ids:
            self.messages[key].state = "OFFERED"
        return web.json_response({"claims": [{"id": key, "claimUntil": "2026-03-02T10:00:00+01:00"} for key in ids]})

    async def head(self, request, _):
        message = self.messages[request.match_info["id"]]
        documents = [
            {"name": name, "mediaType": "application/octet-stream", "size": len(content)}
            for name, content in message.documents.items()
        ]
        return web.json_response({"id": request.match_info["id"], "state": message.state, "documents": documents})

    async def document(self, request, _):
        return web.Response(body=self.messages[request.match_info["id"]].documents[request.match_info["name"]])

    async def confirm(self, request, body):
        message = self.messages[request.match_info["id"]]
        if message.confirmed is not None:
            same = message.confirmed == body
            return web.json_response({"confirmedAt": "…"}) if same else problem(409, "confirm-conflict")
        if message.state not in {"READY", "OFFERED", "HELD"}:
            return problem(409, "wrong-state")
        right = [
            {"name": name, "sha256": hashlib.sha256(content).hexdigest()} for name, content in message.documents.items()
        ]
        if by_name(body["documents"]) != by_name(right):
            message.failures += 1
            return problem(409, "readback-mismatch")
        message.state, message.confirmed = "CONFIRMED", body
        return web.json_response({"id": request.match_info["id"], "confirmedAt": "2026-03-02T10:00:00+01:00"})

    async def webhook(self, _, body):
        self.hook = body
        return web.json_response({"url": body["url"]})

    async def reject(self, request, body):
        assert body["reason"]
        self.messages[request.match_info["id"]].state = "HELD"
        return web.Response(status=204)


def by_name(documents):
    return sorted(json.dumps(document, sort_keys=True) for document in documents)


def problem(status, code):
    return web.json_response({"code": code}, status=status, content_type="application/problem+json")
