#!/bin/sh
# A small shop, made of `bus` alone, that the checks in this folder pass against. It runs until it is stopped:
#   export BUS_URL=nats://127.0.0.1:4222     (or sqlite:shop.db)
#   sh services.sh & bus check .
set -e
trap 'trap - TERM; kill 0' INT TERM EXIT

bus stream add SHOP 'events.>' --if-missing --quiet
bus consumer add SHOP billing --if-missing --quiet
bus kv add shop-settings --if-missing --quiet
bus kv put shop-settings currency EUR --quiet

bus serve orders.get --service orders --version 1.4.0 \
  --expr '{"id": json.id, "total": 42.5, "currency": "EUR", "items": [{"sku": "tea", "count": 2}]}' >/dev/null &
bus serve orders.cancel --echo --fail 100% >/dev/null &
bus serve orders.place --exec >/dev/null -- \
  sh -c 'body=$(cat); bus pub events.order.placed "$body" --ack --quiet; echo "{\"accepted\":true}"' &
bus serve health.ping '{"ok":true,"instance":"a"}' --no-queue >/dev/null &
bus serve health.ping '{"ok":true,"instance":"b"}' --no-queue >/dev/null &
bus serve jobs.progress '{"done":{n}}' --template --stream --count 5 >/dev/null &
bus rpc serve stock reserve --expr '{"reserved": json.quantity, "sku": json.sku}' >/dev/null &
bus sub 'events.>' --durable billing >/dev/null &
wait
