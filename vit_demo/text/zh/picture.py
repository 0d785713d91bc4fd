"""Why a picture is not taken, and what to do, in Chinese."""

from __future__ import annotations

WORDS = {
    "empty": "这个文件是空的。请换一个文件，或重新保存图片。",
    "too_many_bytes": "这个文件有 {size} MB，最多只能接收 {limit} MB。请缩小图片或另存为 JPEG，然后重试。",
    "not_a_picture": "这个文件不是这里能打开的图片格式。请使用 JPEG、PNG、WebP、GIF、BMP、TIFF、HEIC 或 AVIF 文件。",
    "heic": "这是一张 HEIC 照片（iPhone 常用的格式），此服务器没有安装 pillow-heif，无法打开。请另存为 JPEG，或对照片截图，然后重试。",
    "other_kind": "这是 {kind} 格式的文件，这里无法打开。请把图片另存为 JPEG 或 PNG，然后重试。",
    "too_many_pixels": "这张图片超过了 {limit:,} 像素。请缩小后重试。",
    "side_too_long": "这张图片的尺寸是 {width} × {height} 像素，每条边不能超过 {limit} 像素。请缩小或裁剪后重试。",
    "too_thin": "这张图片的尺寸是 {width} × {height} 像素，过于细长：长边最多是短边的 {limit} 倍。请裁剪后重试。",
    "damaged": "这张图片已损坏或不完整。请重新下载或复制，或另存为 JPEG 或 PNG，然后重试。",
    "tiff_floats": "这个 TIFF 含 {bands} 个波段的 {bits} 位浮点数，不知道取值范围就无法显示。请另存为 8 位 RGB 或灰度图（PNG 或 TIFF），然后重试。",
    "tiff_complex": "这个 TIFF 含复数（每个 {bits} 位），不是图片。请把它们的模另存为 8 位灰度图（PNG 或 TIFF），然后重试。",
    "tiff_bands": "这个 TIFF 有 {bands} 个 {bits} 位的波段（卫星和显微镜图像常见），而模型只看三个。请选出三个波段，另存为 RGB（PNG 或 TIFF），然后重试。",
    "tiff_ycbcr": "这个 TIFF 用未压缩的 YCbCr 保存颜色，这里无法读取。请另存为 RGB（PNG 或 TIFF），然后重试。",
    "too_slow": "打开这张图片花的时间太长，已经停止。请另存为普通的 JPEG 或 PNG，然后重试。",
    "too_much_memory": "打开这张图片需要的内存太多。请缩小图片后重试。",
    "gone": "图片已不在这里：上传的图片会在一小时内删除。请重新选择。",
    "busy": "由于我们这边的问题，图片暂时无法打开。请稍等片刻再试。",
}
