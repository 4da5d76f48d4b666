package systems

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/hisgate/hisgate/internal/privateserver"
)

// Redis is a private Redis with one Lua script for each call, which syncs its
// append-only file before it answers.
type Redis struct {
	dir    string
	server *privateserver.Server
	addr   string
	shas   [3]string // of the scripts
}

// The scripts: an order is a hash under o:<order>, a drug one under s:<drug>.
const (
	redisLock = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
for i = 2, #KEYS do
  local s = redis.call('HMGET', KEYS[i], 'on_hand', 'held')
  if tonumber(s[1] or 0) - tonumber(s[2] or 0) < 1 then return 0 end
end
for i = 2, #KEYS do redis.call('HINCRBY', KEYS[i], 'held', 1) end
redis.call('HSET', KEYS[1], 'status', 1, 'pharmacy', ARGV[1], 'expires', ARGV[2], 'drugs', table.concat(KEYS, ' ', 2))
return 1`
	redisConfirm = `
if redis.call('HGET', KEYS[1], 'status') ~= '1' then return 0 end
redis.call('HSET', KEYS[1], 'status', 2, 'reference', ARGV[1])
return 1`
	redisRelease = `
local o = redis.call('HMGET', KEYS[1], 'status', 'drugs')
if o[1] ~= '1' then return 0 end
for key in string.gmatch(o[2], '%S+') do redis.call('HINCRBY', key, 'held', -1) end
redis.call('HSET', KEYS[1], 'status', 3)
return 1`
)

// StartRedis starts a Redis below dir. It returns a *privateserver.MissingError where it is
// not installed.
func StartRedis(ctx context.Context, dir string) (_ *Redis, err error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, &privateserver.MissingError{Program: "redis-server", Hint: "Debian: apt-get install redis-server"}
	}
	port, err := privateserver.FreePort()
	if err != nil {
		return nil, err
	}
	s := &Redis{dir: filepath.Join(dir, "redis"), addr: "127.0.0.1:" + strconv.Itoa(port)}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	as, err := privateserver.Unprivileged(dir, s.dir, "redis")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", s.dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-percentage", "0")
	cmd.Dir, cmd.SysProcAttr = s.dir, as
	if s.server, err = privateserver.Start(cmd, "TERM", filepath.Join(dir, "redis.log")); err != nil {
		return nil, err
	}
	return s, s.server.Ready(ctx, func(ctx context.Context) error {
		return s.with(ctx, func(c *respConn) error {
			_, err := c.do("PING")
			return err
		})
	})
}

func (s *Redis) with(ctx context.Context, fn func(*respConn) error) error {
	c, err := dialRESP(ctx, s.addr)
	if err != nil {
		return err
	}
	return errors.Join(fn(c), c.Close())
}

// Name implements [System].
func (s *Redis) Name() string { return "redis" }

// Reset implements [System].
func (s *Redis) Reset(ctx context.Context, shape Shape) error {
	return s.with(ctx, func(c *respConn) error {
		if _, err := c.do("FLUSHALL", "SYNC"); err != nil {
			return err
		}
		for i, script := range []string{redisLock, redisConfirm, redisRelease} {
			sha, err := c.do("SCRIPT", "LOAD", script)
			if err != nil {
				return err
			}
			s.shas[i] = sha
		}
		for _, d := range shape.Drugs {
			if _, err := c.do("HSET", "s:"+d, "on_hand", strconv.Itoa(onHand), "held", "0"); err != nil {
				return err
			}
		}
		return nil
	})
}

// Session implements [System].
func (s *Redis) Session(ctx context.Context) (Session, error) {
	c, err := dialRESP(ctx, s.addr)
	return &redisSession{conn: c, shas: s.shas}, err
}

// Close implements [System].
func (s *Redis) Close() error {
	var err error
	if s.server != nil {
		err = s.server.Stop()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

type redisSession struct {
	conn *respConn
	shas [3]string
	args []string
}

func (s *redisSession) call(op, order string, args ...string) error {
	switch reply, err := s.conn.do(args...); {
	case err != nil:
		return err
	case reply != "1":
		return refused("redis", op, order)
	}
	return nil
}

// Lock implements [Session].
func (s *redisSession) Lock(_ context.Context, order string, drugs []string) error {
	s.args = append(s.args[:0], "EVALSHA", s.shas[0], strconv.Itoa(1+len(drugs)), "o:"+order)
	for _, d := range drugs {
		s.args = append(s.args, "s:"+d)
	}
	s.args = append(s.args, pharmacyID, "1795338000")
	return s.call("lock", order, s.args...)
}

// Confirm implements [Session].
func (s *redisSession) Confirm(_ context.Context, order string) error {
	return s.call("confirm", order, "EVALSHA", s.shas[1], "1", "o:"+order, "4200001234202611220123456789")
}

// Release implements [Session].
func (s *redisSession) Release(_ context.Context, order string) error {
	return s.call("release", order, "EVALSHA", s.shas[2], "1", "o:"+order)
}

// Close implements [Session].
func (s *redisSession) Close() error { return s.conn.Close() }
