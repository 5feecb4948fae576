"""The shipped words for request types; a line is `weight: words`."""

from __future__ import annotations

from collections.abc import Mapping

from normalize.case import RequestTypeCode
from normalize.words import Weights, weighted

TITLE: Mapping[RequestTypeCode, Weights] = {
    RequestTypeCode.CONSULT: weighted("""
        4: 咨询
        3: 请问 想问 询问 请教
        2: 疑问 什么时候 啥时候 怎么办理 查询
        1.5: 了解 何时 如何 是否
        1: 怎样 能否 可否
        0.8: 吗？
        0.6: ？
        0.5: 政策 什么
    """),
    RequestTypeCode.HELP: weighted("""
        4: 求助
        2.5: 请求 恳请 恳求 帮忙 请帮
        2: 帮助 请解决 期盼 盼望 养老
        1.5: 解决 出行 早日 困难 生活补助 民办教师 代课教师 渴望 呐喊
        1.2: 希望
        1: 尽快 落实 公交 呼吁 难题 待遇 公开信
        0.7: 编制
        0.5: 求 隐患
    """),
    RequestTypeCode.COMPLAINT: weighted("""
        4: 投诉
        2.5: 凭什么 合理吗 扰民 抗议
        2: 质疑 不合理 不公 噪音 噪声 虚假 欺骗 不作为 太贵 不满
        1.5: 反映 强制 强迫 强行 拖欠 过高 不让 不发 变相 管管 恶劣
        1.2: 乱收费 为什么 为何
        1: 拒 迟迟 不给 克扣 涨 限制
        0.8: 补课
        0.7: 收费
        0.5: 乱 差
        0.4: 问题
        0.3: 难
    """),
    RequestTypeCode.REPORT: weighted("""
        5: 举报 检举 控告
        4: 揭露 贪污 受贿 行贿 滥用职权 以权谋私 猥亵 性侵
        3.5: 腐败
        3: 严查 查处 彻查 严惩 暗箱 黑幕 内定 敛财 作弊 舞弊 造假 公办|在职|在编|在岗…教师|老师…培训|补课|补习 涉黑
        3: 回扣
        2.5: 违法 违纪 殴打 体罚 打骂 黑校车
        2: 非法 有偿 辱骂 顶风
        1.8: 乱收费
        1.5: 违规 无证 乱象 私自 老师|教师|班主任…补课|收费|收取
        1.2: 涉嫌
        1: 暴力 乱收
        0.8: 校长
    """),
    RequestTypeCode.SUGGESTION: weighted("""
        4: 建议 提议
        3.5: 倡议
        3: 献策
        2: 希望规划 推广 思考 设想 想法
        1.5: 意见 增设 设立 完善 改进 优化
        1.2: 应该 应当
        1: 规划 呼吁 加强 取消 增加 重视 发展 进一步
        0.5: 关注 建设
    """),
    RequestTypeCode.PRAISE: weighted("""
        5: 表扬 致谢
        4: 点赞 致敬 好老师 锦旗 赞扬
        3.5: 感谢
        3: 感恩
        2.5: 谢谢
    """),
}
"""Words of a title and what each says for a type."""

BODY: Mapping[RequestTypeCode, Weights] = {
    RequestTypeCode.CONSULT: weighted("""
        2: 想咨询
        1.5: 想了解
        1.2: 咨询 请告知 望告知 需要什么 需要哪些 什么条件 什么手续 怎么办理 如何办理 如何申请
        1: 想问 问一下 解答 有没有政策
        0.8: 请问 了解一下 什么政策 有什么规定
        0.7: 是否可以 什么时候 具体时间
        0.6: 疑问 何时能 盼复 流程
        0.5: 想知道 何时 期待回复 期待您的回复 查询
        0.3: 能不能 政策 如何 告诉
        0.2: 明确
    """),
    RequestTypeCode.HELP: weighted("""
        1: 求助 恳求 帮忙 帮帮 求求
        0.8: 请求 恳请 无助 协调 生活补助 民办教师 为我们做主 无书可读 没有书读 没学上 低保
        0.7: 养老
        0.6: 帮助 代课 为民做主 期盼 残疾 重病 补发
        0.5: 解决 困难 希望政府 落实 退休 出行 迫切 红绿灯
        0.4: 公交 天桥
        0.3: 希望能够 业主 贫困 请您 关心 能转 老人
        0.2: 安排
        0.1: 望
    """),
    RequestTypeCode.COMPLAINT: weighted("""
        1.2: 投诉
        0.9: 合理吗 扰民
        0.8: 不合理 凭什么 噪音
        0.7: 强制 推诿 推脱 踢皮球 不作为 忽悠 退费 退款 不退 霸王
        0.6: 强迫 质疑 气愤 愤怒 无语 欺骗 虚假 管一管 管管 多次反映 不负责
        0.5: 强行 敷衍 不公平 不公正 拒绝 不满 变相 太贵 乱收费 被迫
        0.4: 态度 恶劣 为什么 为何 难道 高额 有关部门 不管 不顾 不让 反映 何在
        0.3: 承诺 至今 不给
        0.2: 家长们 影响 严重
    """),
    RequestTypeCode.REPORT: weighted("""
        2: 检举 控告 猥亵
        1.8: 举报
        1.5: 以权谋私 滥用职权
        1.2: 查处 严查 彻查 严惩 受贿 贪污 贿赂 回扣 有偿补课
        1: 严肃处理 腐败 敛财 暗箱 黑幕 内定 顶风 殴打 打骂 体罚 实名 保护伞
        0.9: 舞弊
        0.8: 违法 违纪 牟利 谋利 明令禁止 三令五申 辱骂 作弊 造假 情况属实 纪委
        0.7: 追究 提成 无资质 不开票 没有票据
        0.6: 违规 非法 无证 没有发票 乱收费 公然 强制补课
        0.5: 违反 私自 证据 补课费
        0.4: 调查 收据 国家规定 禁止
        0.3: 教育部 班主任
        0.2: 校长
        0.1: 文件 规定
    """),
    RequestTypeCode.SUGGESTION: weighted("""
        1.2: 建议 提议
        0.8: 可以考虑 不妨 我认为 本人认为 个人认为 借鉴
        0.7: 有利于 倡导 提倡
        0.6: 推广 改进 优化 能否考虑
        0.5: 完善 增设 促进 推动
        0.4: 应该 加强 规划 呼吁
        0.3: 应当 希望能 出台 提高 发展 国家的未来 全市 制定 素质
        0.2: 意见
    """),
    RequestTypeCode.PRAISE: weighted("""
        2.5: 表扬 感谢信 锦旗 特此感谢 拾金不昧
        2: 点赞 深受感动
        1.5: 好老师 致谢 感谢老师
        1: 衷心感谢 由衷 感谢学校
        0.8: 敬业 无私
        0.5: 耐心 辛勤
        0.3: 热情
    """),
}
"""Words of a body and what each says for a type."""

PRIOR: Mapping[RequestTypeCode, float] = {
    RequestTypeCode.CONSULT: 0.2,
    RequestTypeCode.HELP: 0.3,
    RequestTypeCode.COMPLAINT: 1.2,
    RequestTypeCode.REPORT: -0.6,
    RequestTypeCode.SUGGESTION: -0.2,
    RequestTypeCode.PRAISE: -2.0,
}
"""How common a type is before a word is read."""
