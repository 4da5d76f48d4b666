package sqlhis

// oracleClass reads the numbers of Oracle's errors (ORA-…). It stands apart so
// that it is tested in builds without Oracle too.
func oracleClass(number string) class {
	return classify(number,
		[]string{"60", "8177"},
		[]string{"18", "20", "54", "12516", "12519", "12520", "30006"},
		[]string{"900", "904", "923", "933", "936", "942", "1017", "1031", "4043", "6550", "6553", "12505", "12514", "28000", "28001"})
}
