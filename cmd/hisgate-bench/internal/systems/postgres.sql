CREATE TABLE stock (
  drug_id text PRIMARY KEY,
  on_hand bigint NOT NULL,
  held bigint NOT NULL DEFAULT 0
);

CREATE TABLE locks (
  order_no text PRIMARY KEY,
  pharmacy_id text NOT NULL,
  drug_ids text[] NOT NULL,
  status smallint NOT NULL,
  expire_time timestamptz NOT NULL,
  reference text,
  created_time timestamptz NOT NULL DEFAULT now()
);

-- 1 held, 2 confirming, 3 released.
-- The drugs come sorted, so that two orders never wait for each other.
CREATE FUNCTION lock_stock(the_order text, the_pharmacy text, the_drugs text[]) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  drug text;
BEGIN
  INSERT INTO locks (order_no, pharmacy_id, drug_ids, status, expire_time)
    VALUES (the_order, the_pharmacy, the_drugs, 1, now() + interval '30 minutes')
    ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  FOREACH drug IN ARRAY the_drugs LOOP
    UPDATE stock SET held = held + 1 WHERE drug_id = drug AND on_hand - held >= 1;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'short of %', drug;
    END IF;
  END LOOP;
  RETURN true;
END $$;

CREATE FUNCTION confirm_stock(the_order text, the_reference text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE locks SET status = 2, reference = the_reference WHERE order_no = the_order AND status = 1;
  RETURN FOUND;
END $$;

CREATE FUNCTION release_stock(the_order text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  drug text;
  drugs text[];
BEGIN
  UPDATE locks SET status = 3 WHERE order_no = the_order AND status = 1 RETURNING drug_ids INTO drugs;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  FOREACH drug IN ARRAY drugs LOOP
    UPDATE stock SET held = held - 1 WHERE drug_id = drug;
  END LOOP;
  RETURN true;
END $$;
