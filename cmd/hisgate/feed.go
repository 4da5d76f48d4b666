package main

// feedCmd is for who brings stock changes to hisgate.
type feedCmd struct {
	DDL   feedDDLCmd   `cmd:"" name:"ddl" help:"Print an outbox table and its triggers, or a view, for the HIS team to review and create."`
	Parse feedParseCmd `cmd:"" help:"Read a saved message by a mapping file, and show the changes that it tells of."`
	Test  feedTestCmd  `cmd:"" name:"test" help:"Show the next messages of a live source as the mapping reads them, acknowledging and applying none."`
	Sign  feedSignCmd  `cmd:"" help:"Print the headers of a post to a webhook feed, to try one with curl."`
}
