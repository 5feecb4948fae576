"""Which two to four characters can be a Chinese person's name."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SINGLE = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花"
    "方俞任袁柳酆鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝"
    "明臧计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯昝"
    "管卢莫经房裘缪干解应宗丁宣贲邓郁单杭洪包诸左石崔吉钮龚程嵇邢滑裴陆荣翁荀羊於惠甄曲家封芮羿储靳汲邴糜松井段富巫"
    "乌焦巴弓牧隗山谷车侯宓蓬全郗班仰秋仲伊宫宁仇栾暴甘钭厉戎祖武符刘景詹束龙叶幸司韶郜黎蓟薄印宿白怀蒲邰从鄂索咸籍"
    "赖卓蔺屠蒙池乔阴鬱胥能苍双闻莘党翟谭贡劳逄姬申扶堵冉宰郦雍郤璩桑桂濮牛寿通边扈燕冀郏浦尚农温别庄晏柴瞿阎充慕连"
    "茹习宦艾鱼容向古易慎戈廖庾终暨居衡步都耿满弘匡国文寇广禄阙东欧殳沃利蔚越夔隆师巩厍聂晁勾敖融冷訾辛阚那简饶空曾"
    "毋沙乜养鞠须丰巢关蒯相查后荆红游竺权逯盖益桓公肖覃佟苟代闫付候涂沐洛展撒岳帅有琴商牟佘伯赏墨哈谯笪年爱阳佴言福"
    "仝亓官睢区卯"
)
_DOUBLE = _words(
    """
    欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳 公冶 太叔 申屠
    公孙 慕容 仲孙 钟离 长孙 宇文 司徒 鲜于 司空 令狐 轩辕 百里 呼延 东郭 南门
    """
)
# Surnames that begin ordinary words so often that a name is believed only if the rest is not such a word.
_NOT_GIVEN = re.compile(
    r"[我你您他她它们的了是在有和与这那把被吗呢吧啊呀哦谁什么怎样很太更最还也都就才又再没不无请问想要能会可应该说讲到去来给让使对从向"
    r"于及或但而且因为所以如果虽然]|校|幼|班级|学生|家长|老师|教师|先生$|女士$|同学|部门|单位|公司|领导|局|厅|处$|科$|区$|市$|县$|镇$|村$|街|路$|号|年|月|日|上午|下午|"
    r"希望|需要|感谢|谢谢|感觉|反映|投诉|举报|咨询|求助|建议|问题|情况|事情|时间|地址|电话|手机|邮箱|住址|联系|内容|标题|姓名|匿名|保密"
)
_NOT_NAMES = _words(
    """
    高中 高一 高二 高三 高考 中考 初中 小学 中学 大学 学院 金额 平时 平台 平安 安全 常州 江苏 武进 金坛 溧阳 新北
    天宁 钟楼 万分 万一 方便 方法 方式 成绩 成员 强烈 强制 强调 安排 安静 明天 明年 明确 时候 时期 经过 经常 经济
    经费 通过 通知 通报 全体 全部 全家 全校 全国 全市 国家 国庆 党员 党委 任何 任课 任教 何时 何处 关于 关心 相关
    相信 计划 计算 支持 管理 管教 单独 单亲 文化 文件 文明 公开 公平 公正 公办 公告 公立 利用 利益 向上 习惯 双减
    家庭 家里 家住 连续 连夜 解决 解释 应当 应届 居民 居住 满意 温馨 简单 简直 富强 水平 水电 华东 广大 广场 东西
    路过 路口 从事 从小 车辆 车位 石化 左右 盖章 权利 权益 终于 祝好 祝您 幸福 幸亏 尚未 步行 都是 须知 商量 商户
    商店 商业 言论 言语 福利 代课 代表 付款 史无 毕业 毕竟 柏油 余下 余额 项目 易通 容易 充分 充值 别人 别的 边上
    边远 农村 农民 农业 牛奶 能力 能否 能够 怀疑 怀孕 印象 白天 白白 龙城 段时 巴士 弓箭 牧场 山区 山东 山西 谷歌
    侯门 班主 班级 秋季 秋天 宁愿 宁可 云南 章程 花费 花园 华为 严重 严格 严厉 金钱 戚墅堰 乐意 时常 元旦 和谐 米饭
    贝壳 成立 成为 成功 纪律 纪委 舒服 屈服 祝愿 祝福 席位 季度 麻烦 贾汪 危险 危害 江南 江北 童年 童话 颜色 梅雨
    盛大 林业 高校 高级 高价 高度 高额 高新 夏天 夏令 田野 万元 柯桥 房子 房产 房租 干部 干涉 应聘 丁点 宣传 邓州
    郁闷 杭州 洪水 包括 包班 诸多 石头 吉林 程度 程序 邢台 荣誉 封闭 储蓄 井然 段落 富裕 焦虑 家长 谢谢 邮箱 敬上
    敬礼 此致 致敬 尊敬 某某 阳光 年级 年底 年龄 爱心 爱护 有关 有些 有人 国内 师德 师范 师生 游戏 红包 红梅 居委
    古城
    """
)
_MASKED = re.compile(r"[*＊×某XxＸ]")


def is_person_name(text: str) -> bool:
    """Whether these characters can be a person's name: a known surname and one or two more, or 买买提·艾力."""
    if "·" in text:
        return re.fullmatch(r"[\u4e00-\u9fff]{1,8}(?:·[\u4e00-\u9fff]{1,8})+", text) is not None
    if not re.fullmatch(r"[\u4e00-\u9fff]{2,4}", text) or text in _NOT_NAMES or text[:2] in _NOT_NAMES:
        return False
    double = text[:2] in _DOUBLE and len(text) > 2
    surname, given = (text[:2], text[2:]) if double else (text[:1], text[1:])
    if not double and (surname not in _SINGLE or len(given) > 2):
        return False
    return not _NOT_GIVEN.search(given) and not _MASKED.search(given)
