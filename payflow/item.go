package payflow

// Item is one drug of an order.
type Item struct {
	DrugID   string
	Quantity int64 // smallest dispensing units, at least 1
	LineFen  int64 // what the patient pays for the line, 0 = derive from the HIS price
}
