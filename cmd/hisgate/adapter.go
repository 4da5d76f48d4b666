package main

// adapterCmd is for who fits hisgate to a HIS.
type adapterCmd struct {
	DDL adapterDDLCmd `cmd:"" name:"ddl" help:"Print the tables and views of a ready recipe, for the HIS team to review and create."`
}
