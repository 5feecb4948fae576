"""The shipped words for urgency, flags and a leader's desk; a line is `weight: words`."""

from __future__ import annotations

from collections.abc import Mapping

from normalize.case import Flag
from normalize.words import Weights, weighted

DANGER: Weights = weighted("""
    4: 同归于尽
    3.5: 砍死
    3: 跳楼 自杀 轻生 不想活 遗书 炸掉 放火 生命危险 群死群伤 失踪 走失 持刀
    2.5: 粉身碎骨|浑身碎骨 鱼死网破 拼命 豁出去 校车…超员|超载 幼儿园|校园…滋事|打砸|持刀 整栋楼…抖|晃 自残 活不下去
    2.5: 杀人 杀了 危及生命 摇摇欲坠 中毒 抢救 昏迷 离家出走 非法拘禁 堵校门 罢课 罢教
    2: 群情激奋|群情激愤 结果难料 名|多位|众多|全体…家长|业主|学生|教师…聚集|汇集|围堵|守候|围在|堵 消防…锁 倒塌
    2: 坍塌 呕吐 绑架 性侵 猥亵 堵路 拉横幅 游行 静坐 打砸 扬言
    1.8: 漏电 无证驾驶 集体上访 群体性事件 极端
    1.5: 想不开 人命 逃生 危房 煤气 腹泻 传染 骨折 超员 集体维权 堵门 威胁要
    1.2: 反锁 故意伤害
    1: 心急如焚 提心吊胆 火灾 D级危房 住院 超载 聚集 越级上访 后果自负 寻衅滋事
    0.8: 疫情 发烧
    0.2: 正在
""")
"""Danger to people, threats, gatherings."""

HASTE: Weights = weighted("""
    3: 明天是最后
    2.5: 明天|明日|今天下午|今晚…举行|进行|比赛|考试|报名|填|截止|最后|开始|拆
    2: 日|号之前|前|截止…志愿 明天就 最后一天 即将截止 十万火急 还有两天 还有一天
    1.5: 来不及 火急 加急 急急 填报…截止|最后 报名…截止|最后一天
    1.2: 最后期限 急死
    1: 明天 急！ 今晚
    0.8: 后天 紧急 只剩 限…天内|日前
    0.6: 截止 马上就要 刻不容缓 立即停止
    0.5: 过期
    0.4: 否则就 天内
    0.2: 今天
""")
"""Harm that will soon be past mending."""

IMPORTANT: Weights = weighted("""
    1: 伤亡 死亡 群体性 集体上访 联名 全体家长 全体教师 全体业主 政协委员 人大代表 食物中毒 重大 极其恶劣 社会影响
""")
"""What a leader wants to see."""

FLAGS: Mapping[Flag, Weights] = {
    Flag.MINOR_INVOLVED: weighted("""
        1: 我孩子 我的孩子 我小孩 我家孩子 我家小孩 孩子 小孩 儿子 女儿 孙子 孙女 外孙 侄子 侄女 小朋友 幼儿 学生家长
        1: 小学生 初中生 未成年 男孩 女孩 宝宝 女童 男童 儿童
    """),
    Flag.THREAT: weighted("""
        1: 扬言 同归于尽 报复社会 极端行为 极端手段 采取极端 后果自负 砍死 杀了 炸掉 放火 跳楼 自杀 拉横幅 堵路 堵校门
        1: 罢课 罢教 集体上访 进京上访 越级上访 静坐 游行
    """),
    Flag.LEGAL_MATTER: weighted("""
        1: 起诉 诉讼 法院 判决 裁定 仲裁 行政复议 律师函 开庭 上诉 立案 检察院 强制执行 刑事案件 司法鉴定
    """),
    Flag.MEDIA_HOT: weighted("""
        1: 记者 电视台 媒体曝光 曝光 热搜 上热搜 抖音 微博 网络发酵 焦点访谈 新闻报道 舆情 都市频道 政法频道 热帖
        1: 公众号曝光
    """),
}
