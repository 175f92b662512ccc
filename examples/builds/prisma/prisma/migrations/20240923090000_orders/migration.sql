CREATE TABLE orders (id text PRIMARY KEY, bytes integer NOT NULL);
