package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/hisgate/hisgate/hisadapter"
	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/simhis"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// The drivers of his.driver.
const (
	driverSimHIS = "simhis"
	driverHTTP   = "http"
	driverSQL    = "sql"
)

// openDriver opens the driver of his.driver. It connects to nothing yet, so the
// HIS may be away. Its errors name the setting or the line of the mapping file.
//
// header adds to the headers of a request what belongs to its call; nil = nothing.
func openDriver(c HIS, caps hisadapter.Capabilities, header func(context.Context, http.Header), log *slog.Logger) (hisadapter.Driver, error) {
	switch c.Driver {
	case driverHTTP:
		m, err := httphis.Load(c.MappingFile)
		if err != nil {
			return nil, err
		}
		for _, w := range m.Warnings() {
			log.Warn("the mapping of the HIS weakens its protection", "file", c.MappingFile, "setting", w)
		}
		d, err := httphis.New(m, caps, httphis.Options{Header: header})
		if err != nil {
			return nil, err
		}
		return d, nil
	case driverSQL:
		m, err := sqlhis.Load(c.MappingFile)
		if err != nil {
			return nil, err
		}
		d, err := sqlhis.Open(m, caps, time.Now)
		if err != nil {
			return nil, err
		}
		return d, nil
	case driverSimHIS:
		return simhis.Dial(c.SimHIS.URL, nil, caps), nil
	default:
		return nil, fmt.Errorf("his.driver: %q is not known", c.Driver)
	}
}

// validateDriver checks what only one of the drivers needs.
func (c HIS) validateDriver(k *checker) {
	k.oneOf(c.Driver, "his.driver", driverSimHIS, driverHTTP, driverSQL)
	if c.Driver == driverSimHIS {
		k.url(c.SimHIS.URL, "his.simhis.url")
		k.want(c.MappingFile == "", "his.mapping_file", "belongs to his.driver: http and sql")
		return
	}
	before := len(k.errs)
	k.readable(c.MappingFile, "his.mapping_file")
	if len(k.errs) > before {
		return
	}
	var err error
	switch c.Driver {
	case driverHTTP:
		var m *httphis.Mapping
		if m, err = httphis.Load(c.MappingFile); err == nil {
			_, err = httphis.New(m, c.capabilities(), httphis.Options{Offline: true}) // the secrets are elsewhere
		}
	case driverSQL:
		var m *sqlhis.Mapping
		if m, err = sqlhis.Load(c.MappingFile); err == nil {
			_, err = sqlhis.Offline(m, c.capabilities(), time.Now, nil) // so is the password
		}
	}
	if err != nil {
		k.errs = append(k.errs, err)
	}
}
