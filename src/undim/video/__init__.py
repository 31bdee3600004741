"""Dark video to bright video, without flicker: arrays, files and live sources.

`enhance_stream` works on arrays and needs nothing beyond undim itself; whatever opens a file or an
address needs the extra `[video]` and is imported from its module: `undim.video.transcode`,
`undim.video.live`.
"""

from undim.video.sequence import FrameEnhancer, enhance_stream

__all__ = ["FrameEnhancer", "enhance_stream"]
