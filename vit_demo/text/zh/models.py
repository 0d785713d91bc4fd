"""Finding, fetching and loading models: what went wrong, and what to do, in Chinese."""

from __future__ import annotations

WORDS = {
    # -- errors: finding and fetching weights (checkpoints/sources, hub, hub_cache, reach) -----------------------------
    # the name that was given
    "bad_name": "{name} 不是有效的模型名称。请写成 Hub 上的“所有者/名称”（需要时加 @版本），"
    "或者填写文件夹或权重文件的路径。",
    "no_such_file": "找不到文件或文件夹 {name}。请检查拼写，以及它所在的文件夹。",
    "unknown_file": "无法读取 {name} 这种文件。请选择以下列后缀结尾的权重文件：{kinds}。",
    "not_readable": "无法读取 {name}。请检查该文件夹的归属和访问权限。",
    # what is in a folder or repository
    "no_weights": "{name} 中没有可读取的权重：既没有 model.safetensors，也没有 pytorch_model.bin（包括分片形式），也没有唯一的其他 .safetensors、.pth、.pt 或 .bin 文件。"
    "请换一个模型。",
    "adapter": "{name} 是 {base} 的适配器（adapter），不是完整的模型：其中只有加上去的部分。"
    "请用 merge_and_unload() 将它合并到基础模型，保存合并后的模型，再打开。",
    "several_weights": "{name} 中有多个权重文件，但没有一个使用通常的文件名：{files}。请下载所需的那一个，"
    "再直接打开该文件。",
    "missing_shards": "{name} 的权重分为多个文件，其中缺少 {count} 个，第一个是 {file}。请重新获取该模型。",
    "bad_json": "{name} 的 {file} 已损坏或内容不符。请重新获取该模型，或联系模型作者。",
    # the network
    "offline": "本机没有 {name}，并且已关闭联网。请选择本机已有的模型，或取消设置 HF_HUB_OFFLINE 后重新启动。",
    "unreachable": "本机没有 {name}，而 Hub 没有响应。请检查网络（如果设置了 HF_ENDPOINT，也请检查），"
    "或选择本机已有的模型。",
    "not_the_hub": "本机没有 {name}，而响应的并不是 Hub，可能是本网络的登录页面或内容过滤系统。"
    "请打开任意网页完成登录，或联系网络管理员，然后重试。",
    "proxy": "本机没有 {name}，而代理服务器拒绝连接 Hub。请检查 HTTPS_PROXY，或联系网络管理员。",
    "certificate": "本机没有 {name}，而 Hub 的证书在这里不受信任；有些网络会替换证书。请向网络管理员索取证书，"
    "并让 SSL_CERT_FILE 指向它。",
    "interrupted": "下载 {name} 时连接中断，再试一次仍然失败。请检查网络后重试。",
    "damaged_download": "{name} 的 {file} 连续两次下载后都已损坏：校验和不符。损坏的内容没有保留。请稍后重试，"
    "或换一个网络。",
    # the Hub's answer
    "hub_down": "本机没有 {name}，而 Hub 返回了错误（状态码 {status}）。请过几分钟再试，或选择本机已有的模型。",
    "hub_busy": "本机没有 {name}，而 Hub 要求暂缓：来自本网络的请求过多。请过几分钟再试。",
    "not_on_hub": "Hub 上没有模型 {name}，或者它是私有的。请检查拼写；如果是私有模型，"
    "请把 HF_TOKEN 设为有读取权限的访问令牌。",
    "no_revision": "{name} 没有版本 {revision}。请从它的 Hub 页面所列的分支、标签或提交中选择。",
    "file_gone": "{name} 的一个文件在列出清单之后已从 Hub 上消失。请重试。",
    "gated": "使用 {name} 之前需要接受许可协议。请在该模型的 Hub 页面上接受协议，"
    "把 HF_TOKEN 设为同一账号的访问令牌，然后重新启动。",
    "token_refused": "Hub 不接受用当前的访问令牌读取 {name}。请更换令牌，允许它读取受限模型；如果模型是公开的，"
    "也可以取消设置 HF_TOKEN。",
    "token_missing": "Hub 只向有权限的用户提供 {name}。请将 HF_TOKEN 设为有读取权限的访问令牌，然后重新启动。",
    "taken_down": "{name} 已从 Hub 下架。请换一个模型。",
    "no_hub_library": "{name} 需要从 Hub 获取，但没有安装 huggingface_hub。"
    "请运行 pip install huggingface_hub 安装，或者打开本机的文件夹或文件。",
    # the disk
    "too_large": "{name} 需要下载 {size_gb} GB，而上限是 {limit_gb} GB。请选择较小的模型。",
    "disk_full": "磁盘空间不足，无法存放 {name}：需要 {need_mb} MB 的可用空间。请清理磁盘后重试。",
    "not_stored": "无法保存 {name}（{reason}）。请把 HF_HOME 设为一个可写的文件夹。",
    # -- end of: finding and fetching weights --------------------------------------------------------------------------
}
