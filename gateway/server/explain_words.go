package server

import (
	"github.com/hisgate/hisgate/lockstore"
	"github.com/hisgate/hisgate/payflow"
)

// stepWords says in words what happened to a lock; what the HIS said stands
// beside it.
func stepWords(e lockstore.EventKind) payflow.Words {
	switch e {
	case lockstore.EvLock:
		return payflow.Words{ZH: "请求锁定", EN: "stock was asked for"}
	case lockstore.EvConfirm:
		return payflow.Words{ZH: "请求确认", EN: "asked to confirm"}
	case lockstore.EvRelease:
		return payflow.Words{ZH: "请求释放", EN: "asked to release"}
	case lockstore.EvClock:
		return payflow.Words{ZH: "锁定到期", EN: "its time was over"}
	case lockstore.EvOwnerRelease:
		return payflow.Words{ZH: "订单要求释放", EN: "the order gives it up"}
	case lockstore.EvOwnerKeep:
		return payflow.Words{ZH: "订单要求保留", EN: "the order keeps it"}
	case lockstore.EvFreezeDone:
		return payflow.Words{ZH: "HIS 已冻结", EN: "the HIS froze it"}
	case lockstore.EvFreezeRefused:
		return payflow.Words{ZH: "HIS 拒绝冻结", EN: "the HIS refused to freeze"}
	case lockstore.EvFreezeNone:
		return payflow.Words{ZH: "HIS 查无冻结", EN: "the HIS knows no freeze"}
	case lockstore.EvFreezeLapsed:
		return payflow.Words{ZH: "HIS 冻结已失效", EN: "the freeze lapsed at the HIS"}
	case lockstore.EvOrderPlaced:
		return payflow.Words{ZH: "HIS 已扣库存并开单", EN: "the HIS deducted and made its order"}
	case lockstore.EvOrderRefused:
		return payflow.Words{ZH: "HIS 拒绝开单", EN: "the HIS refused the order"}
	case lockstore.EvOrderNone:
		return payflow.Words{ZH: "HIS 查无此单", EN: "the HIS knows no order"}
	case lockstore.EvNotDone:
		return payflow.Words{ZH: "HIS 未执行", EN: "the HIS did nothing"}
	case lockstore.EvUnknown:
		return payflow.Words{ZH: "HIS 结果未知", EN: "outcome at the HIS unknown"}
	case lockstore.EvUnfreezeDone:
		return payflow.Words{ZH: "HIS 已解冻", EN: "the HIS gave it back"}
	case lockstore.EvWatchFrozen:
		return payflow.Words{ZH: "复查发现 HIS 仍冻结", EN: "a later look found it frozen after all"}
	case lockstore.EvWatchClear:
		return payflow.Words{ZH: "复查 HIS 无冻结", EN: "a later look found nothing"}
	case lockstore.EvCase:
		return payflow.Words{ZH: "转人工处理", EN: "a person must settle it"}
	case lockstore.EvApplied:
		return payflow.Words{ZH: "人工登记 HIS 已执行", EN: "a person says that the HIS applied it"}
	case lockstore.EvNotApplied:
		return payflow.Words{ZH: "人工登记 HIS 未执行", EN: "a person says that the HIS did not apply it"}
	case lockstore.EvCancelled:
		return payflow.Words{ZH: "HIS 订单已取消", EN: "the HIS order was cancelled"}
	default:
		return payflow.Words{ZH: "HIS 查证", EN: "the HIS was asked"}
	}
}
