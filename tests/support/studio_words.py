"""Chinese as Taiwan writes it: words to avoid, and what else is wrong with a text, for tests."""

from __future__ import annotations

import re

AVOID = {
    "數據": "資料",
    "網絡": "網路",
    "默認": "預設",
    "缺省": "預設",
    "程序": "程式",
    "代碼": "程式碼",
    "文件夾": "資料夾",
    "軟件": "軟體",
    "硬件": "硬體",
    "信息": "資訊",
    "優化": "最佳化",
    "質量": "品質",
    "屏幕": "螢幕、畫面",
    "鼠標": "滑鼠",
    "點擊": "點選",
    "光標": "游標",
    "回歸": "迴歸",
    "代價函數": "成本函數",
    "歸一化": "正規化",
    "規則化": "正則化",
    "批量": "批次",
    "隱層": "隱藏層",
    "全連線層": "全連接層",
    "後向傳播": "反向傳播",
    "鏈式法則": "連鎖律",
    "漸層": "梯度",
    "輪次": "週期",
    "紀元": "週期",
    "欠擬合": "擬合不足",
    "過擬合": "過度擬合",
    "暫退法": "dropout",
    "失活": "dropout",
    "跳躍連接": "跳接",
    "殘差塊": "殘差區塊",
    "查準率": "精確率",
    "查全率": "召回率",
    "數組": "陣列",
    "內存": "記憶體",
    "加載": "載入",
    "保存": "儲存",
    "回調": "回呼",
    "隨機種子": "亂數種子",
    "調度": "排程",
    "推理": "推論",
    "概率": "機率",
    "矢量": "向量",
    "變量": "變數",
    "實時": "即時",
    "在線": "線上",
    "界面": "介面",
    "圖標": "圖示",
    "鏈接": "連結",
    "運行": "執行",
    "打印": "列印、印出",
    "用戶": "使用者",
    "登錄": "登入",
    "字符": "字元",
    "反饋": "回饋",
    "異步": "非同步",
    "字段": "欄位",
    "調試": "除錯",
    "(?<!演)算法": "演算法",
    "活化值": "激活值",
    "激勵函數": "激活函數",
    "方差": "變異數",
    "標籤集": "標籤",
}
"""What mainland China writes, or nobody, and what to write."""

ALLOWED = {
    *(
        "Chainrule",
        "Enter",
        "patience",
        "RealMLP",
        "safetensors",
        "skl2onnx",
        "TabM",
        "Python",
        "MNIST",
        *("Yann", "LeCun", "Corinna", "Cortes", "Christopher", "J", "C", "Burges", "CC", "BY-SA"),
        "Adam",
        "MLP",
        "ReLU",
        "softmax",
        "Shift",
        "tanh",
        "sigmoid",
        "logits",
        "dropout",
    ),
    *(
        "MSE",
        "MAE",
        "SGD",
        "ROC",
        "AUC",
        "F1",
        "S",
        "SPSA",
        "Huber",
        "NumPy",
        "CSV",
        "IDX",
        "ONNX",
        "DeepLIFT",
        "LRP",
    ),
    *(
        "z",
        "a",
        "W",
        "b",
        "w",
        "x",
        "y",
        "p",
        "f",
        "C",
        "z_k",
        "max",
        "exp",
        "ln",
        "L",
        "a²",
        "L2",
        "dC",
        "dw",
        "dz",
        "da",
    ),
}
"""Names and letters that stay as they are in Chinese; other Latin words stand in `code` only."""

HAN = r"[\u3400-\u9fff]"


def faults_of_chinese(text: str) -> list[str]:
    """What is wrong with a text that is to be Chinese as Taiwan writes it."""
    faults = [
        f"{match[0]}: {instead}" for word, instead in AVOID.items() for match in re.finditer(word, text)
    ]
    prose = re.sub(r"`[^`]*`", "`", text)
    plain = re.sub(r"\{\w+\}", "0", prose)
    latin = {word for word in re.findall(r"[A-Za-z][\w'-]*", plain)} - ALLOWED
    faults += [f"{word} is not Chinese" for word in sorted(latin)]
    faults += [
        f"{match[0]!r} is half-width" for match in re.finditer(rf"{HAN}[,.;:!?()]|[,;:!?()]{HAN}", plain)
    ]
    spaced = rf"{HAN}[A-Za-z0-9`]|[A-Za-z0-9`%]{HAN}"
    faults += [f"{match[0]!r} wants a space" for match in re.finditer(spaced, plain)]
    faults += [
        f"{match[0]!r} has a space"
        for match in re.finditer(rf"{HAN} +{HAN}| [，。；：、）」]|[（「] ", prose)
    ]
    return faults
