package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hisgate/hisgate/hisadapter/httphis"
	"github.com/hisgate/hisgate/hisadapter/probe"
	"github.com/hisgate/hisgate/hisadapter/sqlhis"
)

// sightings gather what a driver exchanged with the HIS since they were last
// taken. They are safe for concurrent use.
type sightings struct {
	mu     sync.Mutex
	target *fitted
	list   []probe.Exchange
}

// watch begins; nothing was exchanged before.
func (s *sightings) watch(f *fitted) {
	s.target = f
	if f.sql != nil {
		f.sql.Watch(s.sql)
	}
}

// take hands them over.
func (s *sightings) take() []probe.Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.list
	s.list = nil
	return out
}

func (s *sightings) add(x probe.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, x)
}

// at is a place in the mapping.
func (s *sightings) at(line int) string {
	return fmt.Sprintf("%s:%d", filepath.Base(s.target.file), line)
}

func (s *sightings) http(x httphis.Exchange) {
	out := probe.Exchange{Op: string(x.Op), Sent: string(x.Op) + " " + x.Request.Method, At: x.At, Duration: x.Duration}
	_, rest, _ := strings.Cut(x.Request.URL, "://")
	if _, path, ok := strings.Cut(rest, "/"); ok {
		out.Sent += " /" + path
	}
	if date, err := http.ParseTime(x.Header.Get("Date")); err == nil {
		out.Date = date
	}
	switch {
	case x.Status == 0:
		out.Back = "no answer: " + x.Err
	default:
		out.Back = strconv.Itoa(x.Status)
		p, err := s.target.http.Parse(x.Op, httphis.Input{}, httphis.Answer{Status: x.Status, Header: x.Header, Body: x.Body, Call: x.Call})
		if err == nil && p.Code != "" {
			out.Back += fmt.Sprintf(" [%s] %s", p.Code, p.Message)
		}
	}
	if x.Rule.Line > 0 {
		out.Rule = s.at(x.Rule.Line) + " " + x.Rule.Then
	} else if x.Status > 0 {
		out.Rule = "no rule fits"
	}
	s.add(out)
}

func (s *sightings) sql(st sqlhis.Statement) {
	words := strings.TrimSpace(st.SQL)
	if _, after, ok := strings.Cut(words, "*/"); ok && strings.HasPrefix(words, "/*") {
		words = after // what the statement is called says less than what it does
	}
	out := probe.Exchange{Op: st.Op, Sent: st.Op + " " + strings.TrimSpace(words), At: st.Started, Duration: st.Took}
	switch {
	case st.Failure != nil:
		out.Back = st.Failure.String()
	case st.Columns != nil:
		out.Back = fmt.Sprintf("%d rows", len(st.Rows))
	default:
		out.Back = fmt.Sprintf("%d rows affected", st.Count)
	}
	if st.Rule > 0 {
		out.Rule = s.at(st.Rule)
	} else {
		out.Rule = s.at(st.Line)
	}
	s.add(out)
}

// probeSeed makes the numbers of one probe new: the second, and chance. With most
// characters for a number it keeps as many of the end as there is room for.
func probeSeed(now time.Time, most int) string {
	seed := strings.ToUpper(strconv.FormatInt(now.Unix(), 36)) + rand.Text()[:2]
	if room := most - len("HGPROBE") - 1; most > 0 && room < len(seed) {
		seed = seed[len(seed)-max(room, 0):]
	}
	return seed
}
