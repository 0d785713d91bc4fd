"""“假如”页。"""

WORDS = {
    "refused": "这个改动不适用于该模型：{reason}。",
    "no_other": "要换入另一张图片的状态，请给出第二张图片。",
    "no_such_scan": "没有 {name}。可用的有：{names}。",
}
