package server

import (
	"github.com/hisgate/hisgate/gateway"
	"github.com/hisgate/hisgate/hisadapter"
	hisgatev1 "github.com/hisgate/hisgate/proto/hisgate/v1"
)

func freshness(f hisgatev1.GetStockRequest_Freshness) gateway.Freshness {
	if f == hisgatev1.GetStockRequest_LIVE {
		return gateway.Live
	}
	return gateway.Cached
}

func toStock(s *gateway.Stock) *hisgatev1.Stock {
	return &hisgatev1.Stock{
		PharmacyId: s.Key.PharmacyID, DrugId: s.Key.DrugID,
		DrugName: s.Facts.Name, Unit: s.Facts.Unit, Multiple: max(s.Facts.Multiple, 1),
		OnHand: s.OnHand, Held: s.Held, Safety: s.Safety, Available: s.Available,
		Price: s.Facts.Price, PricePer: max(s.Facts.PricePer, 1),
		Orderable: s.Orderable, Stopped: s.Facts.Stopped,
		AsOf: stamp(s.AsOf), Source: toSource(s.Source), Degraded: s.Degraded,
	}
}

func toSource(s gateway.Source) hisgatev1.Stock_Source {
	return hisgatev1.Stock_Source(hisgatev1.Stock_Source_value[s.String()])
}

// toStockResult is the answer for one key of several: its stock, or the error
// that GetStock would have given.
func toStockResult(key hisadapter.Key, s *gateway.Stock, err error) *hisgatev1.StockResult {
	out := &hisgatev1.StockResult{Key: &hisgatev1.StockKey{PharmacyId: key.PharmacyID, DrugId: key.DrugID}}
	if err != nil {
		failed, _ := toStatus(err)
		out.Result = &hisgatev1.StockResult_Error{Error: failed.Proto()}
		return out
	}
	out.Result = &hisgatev1.StockResult_Stock{Stock: toStock(s)}
	return out
}
