"""A small client of a WebUI's HTTP interface, as far as the tests need it."""

from __future__ import annotations

import base64
import io
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

NO_CONTENT = 204
PICTURE = {"steps": 2, "width": 64, "height": 64, "seed": 5, "cfg_scale": 7, "sampler_name": "Euler a"}


@dataclass(frozen=True)
class Picture:
    """One generated picture: its pixels, the text written into it, and the file as the host sent it."""

    pixels: bytes
    infotext: str
    encoded: str


class HostError(Exception):
    """What the host answered to a request that failed."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.message = str(body.get("errors") or body.get("message") or body.get("detail"))
        self.kind = str(body.get("error"))


class WebUI:
    """A running WebUI."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.checkpoints: set[str] | None = None
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._asked_of_forge: bool | None = None
        self._asked_of_sdnext: dict[str, Any] | None = None
        self._defaults: dict[str, Any] = {}

    def call(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with self.opener.open(request, timeout=300) as answer:
                return None if answer.status == NO_CONTENT else json.load(answer)
        except urllib.error.HTTPError as problem:
            raise HostError(problem.code, json.load(problem)) from None

    def pictures(
        self, prompt: str, *, checkpoint: str | None = None, path: str = "txt2img", **more: Any
    ) -> list[Picture]:
        body: dict[str, Any] = {**PICTURE, **self._host_s_own(more), "prompt": prompt, **more}
        self._need(checkpoint, more.get("refiner_checkpoint"), more.get("hr_checkpoint_name"))
        if checkpoint:
            body["override_settings"] = {**body.get("override_settings", {}), "sd_model_checkpoint": checkpoint}
            body["override_settings_restore_afterwards"] = False
        answer = self.call(f"/sdapi/v1/{path}", body)
        infotexts = json.loads(answer["info"])["infotexts"]
        return [_picture(image, text) for image, text in zip(answer["images"], infotexts, strict=False)]

    def picture(self, prompt: str, **more: Any) -> Picture:
        return self.pictures(prompt, **more)[0]

    def pasted(self, picture: Picture) -> dict[str, Any]:
        """Give the parameters that the page's "paste" fills in for a picture."""
        return self.call("/sdapi/v1/png-info", {"image": picture.encoded})["parameters"]  # type: ignore[no-any-return]

    def is_forge(self) -> bool:
        """Say whether the host is one with Forge's text engines, by an option of it."""
        if self._asked_of_forge is None:
            self._asked_of_forge = "forge_preset" in self.options()
        return self._asked_of_forge

    def is_sdnext(self) -> bool:
        """Say whether the host is SD.Next, which answers for its version; others have no such address."""
        if self._asked_of_sdnext is None:
            try:
                self._asked_of_sdnext = dict(self.call("/sdapi/v1/version"))
            except HostError:
                self._asked_of_sdnext = {}
        return self._asked_of_sdnext.get("app") == "sd.next"

    def embeddings(self) -> list[str]:
        """Give what the host's interface lists; Forge's has a list of its own, read when it is asked to."""
        if self.is_forge():
            self.call("/sdapi/v1/refresh-embeddings", {})
        return list(self.call("/sdapi/v1/embeddings")["loaded"])

    def refresh_embeddings(self) -> None:
        """Let the host find embeddings that were written into its folder by another program."""
        if self.is_sdnext():  # it has no address for it
            self.call("/sdapi/v1/reload-checkpoint?force=true", {})
            return
        self.call("/sdapi/v1/refresh-embeddings", {})
        if self.is_forge():
            # Its text encoders read the folder only when their model is loaded.
            current = self.option("sd_model_checkpoint").partition(".")[0]
            other = "tiny-sd1b" if current != "tiny-sd1b" else "tiny-sd1"
            for checkpoint in (other, current):
                self.picture("", checkpoint=checkpoint, steps=1)

    def set_options(self, options: dict[str, Any]) -> None:
        self.call("/sdapi/v1/options", options)

    def options(self) -> dict[str, Any]:
        """Give all settings; SD.Next's own answer has those alone that were changed from their defaults."""
        if self.is_sdnext() and not self._defaults:
            known = self.call("/sdapi/v1/options-info")["options"]
            self._defaults = {name: option["default"] for name, option in known.items()}
        return {**self._defaults, **self.call("/sdapi/v1/options")}

    def option(self, name: str) -> Any:
        """Give a setting's value, None where the host has no such setting."""
        return self.options().get(name)

    def models(self) -> list[dict[str, Any]]:
        """Give the host's list of checkpoints; ersatzForge finds a fault with its own, so its folder is listed then."""
        try:
            return self.call("/sdapi/v1/sd-models")  # type: ignore[no-any-return]
        except HostError:
            folder = Path(os.environ["WEBUI_CHECKPOINTS"])
            return [{"model_name": path.stem, "filename": str(path)} for path in sorted(folder.glob("*.safetensors"))]

    def _need(self, *checkpoints: str | None) -> None:
        if self.checkpoints is None:
            self.checkpoints = {model["model_name"] for model in self.models()}
        missing = set(checkpoints) - self.checkpoints - {None}
        if missing:
            pytest.skip(f"the host has no checkpoint {', '.join(map(str, missing))}")

    def checkpoint_file(self, name: str) -> str:
        self._need(name)
        return next(str(model["filename"]) for model in self.models() if model["model_name"] == name)

    def embeddings_folder(self) -> str:
        try:
            flags = self.call("/sdapi/v1/cmd-flags")
        except HostError as refused:  # Forge finds a fault with its own answer, and sends it along
            flags = refused.body["body"]
        folder = Path(flags["embeddings_dir"])
        if not folder.is_absolute():  # SD.Next's is, like that of its checkpoints, in its own folder
            folder = Path(self.call("/sdapi/v1/sd-models")[0]["filename"]).parents[2] / folder
        return str(folder)

    def identity(self) -> dict[str, Any]:
        if self.is_sdnext():
            said = self._asked_of_sdnext or {}
            python = self.call("/sdapi/v1/platform")["python"]
            return {"version": said["updated"], "commit": said["commit"], "python": python}
        info = self.call("/internal/sysinfo")
        commit = info.get("Commit") or os.environ.get("WEBUI_COMMIT")  # a folder without git says none
        return {"version": info.get("Version"), "commit": commit, "python": info.get("Python")}

    def _host_s_own(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Give what a host needs beside what others do, for a high-resolution pass or a refiner.

        Forge's defaults fail, and Forge Neo has no latent one; SD.Next has a prompt for its second pass under another
        name, and skips that where the size is reached already.
        """
        if self.is_sdnext():
            # Its refiner is an option, with a share of the steps where a second pass is asked for, though none is made.
            self.set_options({"sd_model_refiner": wanted.get("refiner_checkpoint", "None")})
            if "refiner_checkpoint" in wanted:
                return {"enable_hr": True, "refiner_start": wanted["refiner_switch_at"], "refiner_steps": 2}
        if not wanted.get("enable_hr"):
            return {}
        if self.is_sdnext():
            prompts = {"refiner_prompt": "hr_prompt", "refiner_negative": "hr_negative_prompt"}
            return {own: wanted[name] for own, name in prompts.items() if name in wanted} | {"hr_force": True}
        latent = {"name": "Latent"} in self.call("/sdapi/v1/latent-upscale-modes")
        own: dict[str, Any] = {"hr_upscaler": "Latent" if latent else "None"}
        if self.is_forge():
            own |= {"hr_additional_modules": ["Use same choices"], "hr_cfg": PICTURE["cfg_scale"]}
        return own


def _picture(encoded: str, infotext: str) -> Picture:
    image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    return Picture(image.tobytes(), infotext, encoded)
