"""The pages as a web application for one machine: routes, and what guards them."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from foils.errors import DataError, FoilsError
from foils.review import exchange, pages
from foils.review.agreement import agreements
from foils.review.differ import common
from foils.review.item import item, records
from foils.review.queue import Filter
from foils.review.session import Session

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
LARGEST = 64 * 1024  # bytes of a form
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # A stricter policy would have browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
COOKIE, PERSON = "foils-review", "foils-person"


def application(session: Session, token: str, person: str = "") -> Starlette:
    """The web application of a session.

    Args:
        session: what it shows.
        token: that the address must hold once; a cookie stands for it afterwards.
        person: who judges, until they say otherwise on the page.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.routing import Route

    doors = Doors(session, person)
    routes = [
        Route("/", doors.review),
        Route("/summary", doors.summary),
        Route("/verdicts.jsonl", doors.jsonl),
        Route("/argilla.json", doors.argilla),
        Route("/page.css", doors.static),
        Route("/page.js", doors.static),
        *(Route(f"/{name}", doors.act, methods=["POST"]) for name in ("decide", "undo", "select", "person")),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, token=token)])


class Guard:
    """Lets in who has the token, from this machine's own pages only, and says so to browsers.

    Names other than those of this machine in Host would let a foreign page reach it through DNS (rebinding); an Origin
    other than ours is a foreign page. The cookie is HttpOnly and SameSite=Strict, and its value is not the token.

    Args:
        app: what it guards.
        token: of the address; the cookie is named after it, as cookies of one host know no ports.
    """

    def __init__(self, app: Any, token: str) -> None:
        self.app, self.token, self.cookie = app, token, secrets.token_urlsafe(24)
        self.name = f"{COOKIE}-{hashlib.sha256(token.encode()).hexdigest()[:8]}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Refuse, exchange the token, or hand on."""
        from starlette.datastructures import MutableHeaders
        from starlette.requests import Request

        if scope["type"] != "http":
            return

        async def sealed(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await (self._answer(Request(scope)) or self.app)(scope, receive, sealed)

    def _answer(self, request: Request) -> Response | None:
        from starlette.responses import HTMLResponse, PlainTextResponse

        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if _name(host) not in NAMES:
            return PlainTextResponse(f"this page answers to {', '.join(sorted(NAMES))} only\n", 421)
        foreign = origin is not None and origin != f"http://{host}"
        if foreign or (request.method != "GET" and origin is None):
            return PlainTextResponse("only this page's own forms are taken\n", 403)
        if request.method not in ("GET", "POST"):
            return PlainTextResponse("GET or POST\n", 405)
        if request.method == "GET" and "token" in request.query_params:
            if not _same(request.query_params["token"], self.token):
                return PlainTextResponse("this token is not valid (any more); the terminal shows the address\n", 403)
            # A page of our own that leads on, because browsers keep a strict cookie back on a redirect from elsewhere.
            head = '<meta http-equiv="refresh" content="0;url=/">'
            answer = HTMLResponse(pages.page("foils review", '<main><p><a href="/">Begin</a></p></main>', head))
            answer.set_cookie(self.name, self.cookie, httponly=True, samesite="strict", path="/")
            return answer
        if not _same(request.cookies.get(self.name, ""), self.cookie):
            return PlainTextResponse("open the address with its token, as the terminal shows it\n", 403)
        return None


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


class Doors:
    """What each address does; plain functions run in threads, so nothing waits for another.

    Args:
        session: what they show.
        person: who judges, until they say otherwise.
    """

    def __init__(self, session: Session, person: str) -> None:
        self.session, self.person = session, person
        # Cookies of one host know no ports: the page of another run, or of another --person, has its own.
        whose = f"{session.folder.resolve()}\0{person}".encode("utf-8", "surrogateescape")
        self.cookie = f"{PERSON}-{hashlib.sha256(whose).hexdigest()[:8]}"
        self.made = records(session.folder)
        self.dull = common(session.run.pairs.collection.corpus["text"].head(500))
        self._choices: tuple[Any, dict[str, list[str]]] | None = None

    def review(self, request: Request) -> Response:
        """The next pair, or the one that the address names."""
        from starlette.responses import HTMLResponse

        session, by = self.session, self._by(request)
        wanted = _filter(request.query_params)
        again = request.query_params.get("row", "")
        row = int(again) if again.isdecimal() else session.following(by, wanted)
        row = row if row is not None and session.names(row) else None
        state = self._state(by, wanted)
        shown = None if row is None else item(session.run.pairs, row, self.made, self.dull)
        done = session.book.answered(by)
        last = None
        if done and (said := session.book.answer(done[-1], by)) is not None:
            last = pages.Last(
                item(session.run.pairs, done[-1], self.made, self.dull), said, session.others(done[-1], by)
            )
        return HTMLResponse(pages.review(state, shown, last, self.choices()))

    def summary(self, request: Request) -> Response:
        """Everyone's progress, and how far they agree."""
        from starlette.responses import HTMLResponse

        book, by = self.session.book, self._by(request)
        counts = {
            who: dict(Counter(said.answer for row in book.answered(who) if (said := book.answer(row, who))))
            for who in sorted({*book.people(), by})
        }
        return HTMLResponse(pages.summary(self._state(by, None), agreements(book), counts))

    def jsonl(self, request: Request) -> Response:
        """All verdicts, for another run or tool."""
        return _file(exchange.jsonl(self.session.run.pairs, self.session.book.verdicts), "verdicts.jsonl")

    def argilla(self, request: Request) -> Response:
        """All pairs that were asked about, as records of Argilla."""
        return _file(exchange.argilla(self.session.run.pairs, self.session.book.verdicts), "argilla.json")

    def static(self, request: Request) -> Response:
        """The style sheet, the script."""
        from starlette.responses import Response

        name = request.url.path.lstrip("/")
        kind = "text/css" if name.endswith("css") else "text/javascript"
        return Response(files("foils.review").joinpath(name).read_text(encoding="utf-8"), media_type=kind)

    async def act(self, request: Request) -> Response:
        """A form that was sent: done in a thread, then the next page."""
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import PlainTextResponse, RedirectResponse

        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                return PlainTextResponse("the form is too large\n", 413)
        form = {k: v[-1] for k, v in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).items()}
        try:
            target = await run_in_threadpool(self._act, request, request.url.path, form)
        except FoilsError as error:
            return PlainTextResponse(f"{error}\n", 400)
        answer = RedirectResponse(target, status_code=303)
        if request.url.path == "/person":
            name = _person(form.get("person", ""))
            answer.set_cookie(self.cookie, name, httponly=True, samesite="strict", path="/")
        return answer

    def _act(self, request: Request, path: str, form: dict[str, str]) -> str:
        session, by = self.session, self._by(request)
        asked = {name: values[-1] for name, values in parse_qs(form.get("back", "")).items()}
        back = pages.address(_filter(asked))
        if path == "/decide":
            row = form.get("row", "")
            if not row.isdecimal():
                raise DataError(f"row={row!r} is no row; open the page again")
            if form.get("answer") == "skip":
                session.skip(int(row), by)
            else:
                names = unquote(form.get("query", "")), unquote(form.get("doc", ""))
                if not session.decide(int(row), names, by, form.get("answer", ""), form.get("note", "")):
                    raise DataError("this pair is not in the run any more, so nothing was written down; go back")
        elif path == "/undo" and (undone := session.book.undo(by)) is not None:
            back = f"{back}&row={undone}" if back else f"row={undone}"
        elif path == "/select":
            session.select_again()
        elif path == "/person":
            _person(form.get("person", ""))
        return f"/?{back}" if back else "/"

    def _by(self, request: Request) -> str:
        name = request.cookies.get(self.cookie)
        return by_name(self.person if name is None else name)

    def _state(self, by: str, wanted: Filter | None) -> pages.State:
        session = self.session
        title = session.run.pairs.collection.name or session.folder.name
        done = len(session.book.answered(by))
        left = None if wanted is None else len(session.lined_up(wanted))
        return pages.State(
            title,
            by,
            done,
            session.plan.budget,
            session.risk(by),
            session.state,
            session.problem,
            session.busy("select"),
            wanted,
            left,
        )

    def choices(self) -> dict[str, list[str]]:
        """What filters can be set to, for the run as it is."""
        pairs = self.session.run.pairs
        if self._choices is None or self._choices[0] is not pairs:
            fates, kinds = set(pairs.counts()) - {"positive", "selected"}, pairs.frame["kind"].unique().drop_nulls()
            known = {"kind": ["found", *sorted(kinds.cast(str))], "fate": ["selected", *sorted(fates)]}
            self._choices = pairs, known | {"source": list(pairs.sources)}
        return self._choices[1]


def by_name(person: str) -> str:
    """What the table of verdicts says of a person."""
    name = _person(person)
    return f"human:{name}" if name else "human"


def _person(raw: str) -> str:
    return "".join(c for c in " ".join(raw.split()) if c.isalnum() or c in " ._@-")[:40]


def _filter(given: Any) -> Filter | None:
    """The filter that an address asks for; null if it asks for none."""
    if not set(Filter._fields) & set(given):
        return None
    low, high = (_share(given.get(k, ""), d) for k, d in (("low", 0.0), ("high", 1.0)))
    words = {k: str(given.get(k, ""))[:200] for k in ("kind", "fate", "source", "search")}
    found = Filter(low=low, high=high, **words)
    return None if found == Filter() else found


def _share(raw: str, default: float) -> float:
    try:
        return min(max(float(raw), 0.0), 1.0)
    except ValueError:
        return default


def _file(body: str, name: str) -> Response:
    from starlette.responses import Response

    kind = "application/json" if name.endswith("json") else "application/jsonl"
    return Response(
        body.encode("utf-8", "replace"),
        media_type=kind,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
