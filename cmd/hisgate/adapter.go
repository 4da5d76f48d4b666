package main

// adapterCmd is for who fits hisgate to a HIS.
type adapterCmd struct {
	Render adapterRenderCmd `cmd:"" help:"Show what would be sent for an operation, and send nothing."`
	Call   adapterCallCmd   `cmd:"" help:"Send one call; show what was sent, what came back, and how it was read."`
	Parse  adapterParseCmd  `cmd:"" help:"Read a saved answer; name the rule that fits and what was read."`
	DDL    adapterDDLCmd    `cmd:"" name:"ddl" help:"Print the tables and views of a ready recipe, for the HIS team to review and create."`
}
