"""A window that shows frames as they come, made with Tk, which comes with Python."""

from __future__ import annotations

from collections.abc import Iterable

from undim.errors import OutputError
from undim.video.live import Newest
from undim.video.pyav import VideoFrame

HINT = "write to a file or to stdout instead: -o FILE or -o -"


class Window:
    """A window for frames in rgb24. Open it before the source, so that a missing screen is known at
    once.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise OutputError(
                f"this Python has no Tk for a window (Debian: python3-tk); {HINT}"
            ) from error
        try:
            self._root = tkinter.Tk(className="undim")
        except tkinter.TclError as error:
            raise OutputError(f"there is no screen for a window ({error}); {HINT}") from error
        self._root.title(title)
        self._screen = self._root.winfo_screenwidth(), self._root.winfo_screenheight()
        self._photo = tkinter.PhotoImage(master=self._root)
        tkinter.Label(self._root, image=self._photo, borderwidth=0).pack()
        self._open = True
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        for key in ("q", "<Escape>"):
            self._root.bind(key, lambda _: self._close())

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        """The size at which frames fit on the screen, never enlarged. Any thread may ask."""
        scale = min(1.0, 0.9 * self._screen[0] / width, 0.8 * self._screen[1] / height)
        return max(2, round(width * scale)), max(2, round(height * scale))

    def show(self, frames: Iterable[VideoFrame]) -> int:
        """Show frames until they end or the window is closed; how many were shown."""
        newest, shown = Newest(frames), 0
        try:
            while self._open and not newest.ended:
                frame = newest.get(timeout=0.02)
                if frame is not None:
                    header = f"P6 {frame.width} {frame.height} 255\n".encode()
                    self._photo.configure(data=header + frame.to_ndarray().tobytes(), format="PPM")
                    shown += 1
                self._root.update()
        finally:
            newest.close()
            self._root.destroy()
        return shown

    def _close(self) -> None:
        self._open = False
